"""A small HTTP client for load: few instructions a request, so that what is measured is the server."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """Answers a second, and the latencies of all of them in seconds, sorted."""

    per_s: float
    latencies_s: Sequence[float]

    def quantile_ms(self, share: float) -> float:
        """Return the latency that `share` of the answers did not pass, in milliseconds."""
        return 1000 * self.latencies_s[min(len(self.latencies_s) - 1, int(share * len(self.latencies_s)))]


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, status: bytes) -> None:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 " + status):
        raise RuntimeError(f"unexpected answer: {head[:200]!r}")
    length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
    await reader.readexactly(length)


async def _converse(port: int, request: bytes, ends: float, latencies_s: list[float], status: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (began := time.monotonic()) < ends:
        await _ask(reader, writer, request, status)
        latencies_s.append(time.monotonic() - began)
    writer.close()


async def _load(port: int, request: bytes, connections: int, seconds: float, status: bytes) -> Measured:
    latencies_s: list[float] = []
    began = time.monotonic()
    ends = began + seconds
    await asyncio.gather(*(_converse(port, request, ends, latencies_s, status) for _ in range(connections)))
    return Measured(len(latencies_s) / (time.monotonic() - began), sorted(latencies_s))


async def _each(port: int, request: bytes, times: int, pause_s: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(times):
        await _ask(reader, writer, request, b"201")
        await asyncio.sleep(pause_s)
    writer.close()


def post(port: int, path: str, body: bytes, connections: int, seconds: float, key: str | None = None) -> Measured:
    """Send `body` again and again over so many connections for so many seconds; every answer must be 201."""
    return asyncio.run(_load(port, _posted(path, body, key), connections, seconds, b"201"))


def post_times(port: int, path: str, body: bytes, times: int, pause_s: float = 0.0) -> None:
    """Send `body` so many times over one connection, with a pause after each; every answer must be 201."""
    asyncio.run(_each(port, _posted(path, body), times, pause_s))


def get(port: int, path: str, connections: int, seconds: float, key: str | None = None) -> Measured:
    """Ask for `path` again and again over so many connections for so many seconds; every answer must be 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n{_bearing(key)}\r\n".encode()
    return asyncio.run(_load(port, request, connections, seconds, b"200"))


def _bearing(key: str | None) -> str:
    return "" if key is None else f"Authorization: Bearer {key}\r\n"


def _posted(path: str, body: bytes, key: str | None = None) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{_bearing(key)}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
