"""A small HTTP client for load: few instructions a request, so that what is measured is the server.

closed loop: each connection sends its next request when it has its answer; as fast as the server goes
open loop:   requests are due by a fixed schedule; a late one waits for a free connection, and the wait counts
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

_TICK_S = 0.001
OnAnswer = Callable[["_Connection", bytes], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """Answers a second, and the latencies of all of them in seconds, sorted."""

    per_s: float
    latencies_s: Sequence[float]

    def quantile_ms(self, share: float) -> float:
        """Return the latency that `share` of the answers did not pass, in milliseconds."""
        return 1000 * self.latencies_s[min(len(self.latencies_s) - 1, int(share * len(self.latencies_s)))]


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent again and again to `port`, and how its answers must begin."""

    port: int
    sent: bytes
    status: bytes

    @classmethod
    def post(cls, port: int, path: str, body: bytes, key: str | None = None) -> "Request":
        """Make one that sends JSON, and expects a 201."""
        head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{_bearing(key)}"
        return cls(port, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, b"HTTP/1.1 201")

    @classmethod
    def get(cls, port: int, path: str, key: str | None = None) -> "Request":
        """Make one that reads, and expects a 200."""
        return cls(port, f"GET {path} HTTP/1.1\r\nHost: bench\r\n{_bearing(key)}\r\n".encode(), b"HTTP/1.1 200")


def closed(request: Request, connections: int, seconds: float) -> Measured:
    """Send over so many connections for so many seconds, each request after the answer to the one before.

    Raises:
        RuntimeError: an answer was none of those expected, or a connection broke.
    """
    return uvloop.run(_closed(request, connections, seconds))


def paced(request: Request, connections: int, per_s: float, seconds: float) -> Measured:
    """Send `per_s` requests a second; a latency counts from when its request was due, sent or not.

    It ends when all are answered, so that no late answer is left out.

    Raises:
        RuntimeError: as `closed`.
    """
    return uvloop.run(_paced(request, connections, per_s, seconds))


def one_by_one(request: Request, times: int, pause_s: float = 0.0) -> list[tuple[float, bytes]]:
    """Send over one connection, with a pause after each answer; return when each came (`time.time()`), and its body.

    Raises:
        RuntimeError: as `closed`.
    """
    return uvloop.run(_one_by_one(request, times, pause_s))


class _Connection(asyncio.Protocol):
    """One connection with one request under way at most.

    `due` is when the request under way was due; `over` gets an error where the connection fails before it is done.
    """

    due: float

    def __init__(self, request: Request, on_answer: OnAnswer, over: asyncio.Future[None]) -> None:
        self._request = request
        self._on_answer = on_answer
        self.over = over
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is none by its class

    def send(self, due: float) -> None:
        self.due = due
        assert self._transport is not None
        if self._transport.is_closing():
            self._fail("the server closed the connection")
        self._transport.write(self._request.sent)

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        head = received.find(b"\r\n\r\n")
        if head < 0:
            return
        if not received.startswith(self._request.status):
            self._fail(f"unexpected answer: {received[:300]!r}")
            return
        length = received.lower().split(b"content-length: ", 1)[1].split(b"\r", 1)[0]
        if len(received) >= head + 4 + int(length):
            self._received = b""
            self._on_answer(self, received[head + 4 :])

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection broke: {exc}")

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def _fail(self, why: str) -> None:
        if not self.over.done():
            self.over.set_exception(RuntimeError(why))


async def _connect(request: Request, count: int, on_answer: OnAnswer, over: asyncio.Future[None]) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    pairs = [
        await loop.create_connection(lambda: _Connection(request, on_answer, over), "127.0.0.1", request.port)
        for _ in range(count)
    ]
    return [connection for _, connection in pairs]


async def _end(done: asyncio.Future[None], connections: list[_Connection]) -> None:
    await done
    for connection in connections:
        connection.close()


async def _closed(request: Request, count: int, seconds: float) -> Measured:
    latencies_s: list[float] = []
    done = asyncio.get_running_loop().create_future()
    idle = 0

    def answered(connection: _Connection, _: bytes) -> None:
        nonlocal idle
        now = time.perf_counter()
        latencies_s.append(now - connection.due)
        if now < ends:
            connection.send(now)
            return
        idle += 1
        if idle == count and not done.done():
            done.set_result(None)

    connections = await _connect(request, count, answered, done)
    began = time.perf_counter()
    ends = began + seconds
    for connection in connections:
        connection.send(time.perf_counter())
    await _end(done, connections)
    return Measured(len(latencies_s) / (time.perf_counter() - began), sorted(latencies_s))


async def _paced(request: Request, count: int, per_s: float, seconds: float) -> Measured:
    latencies_s: list[float] = []
    done = asyncio.get_running_loop().create_future()
    total = max(1, int(per_s * seconds))
    waiting: deque[float] = deque()

    def answered(connection: _Connection, _: bytes) -> None:
        latencies_s.append(time.perf_counter() - connection.due)
        if waiting:
            connection.send(waiting.popleft())
        else:
            idle.append(connection)
        if len(latencies_s) == total and not done.done():
            done.set_result(None)

    connections = await _connect(request, count, answered, done)
    idle = list(connections)
    began = time.perf_counter()
    sent = 0
    while sent < total and not done.done():
        while sent < total and (due := began + sent / per_s) <= time.perf_counter():
            sent += 1
            if idle:
                idle.pop().send(due)
            else:
                waiting.append(due)
        await asyncio.sleep(_TICK_S)
    await _end(done, connections)
    return Measured(total / (time.perf_counter() - began), sorted(latencies_s))


async def _one_by_one(request: Request, times: int, pause_s: float) -> list[tuple[float, bytes]]:
    loop = asyncio.get_running_loop()
    answers: list[tuple[float, bytes]] = []

    def answered(connection: _Connection, body: bytes) -> None:
        answers.append((time.time(), body))
        connection.over.set_result(None)

    [connection] = await _connect(request, 1, answered, loop.create_future())
    for _ in range(times):
        connection.over = loop.create_future()
        connection.send(time.perf_counter())
        await connection.over
        await asyncio.sleep(pause_s)
    connection.close()
    return answers


def _bearing(key: str | None) -> str:
    return "" if key is None else f"Authorization: Bearer {key}\r\n"
