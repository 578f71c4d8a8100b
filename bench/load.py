"""A small HTTP client for load: few instructions a request, so that what is measured is the server.

closed loop: each connection sends its next request when it has its answer; as fast as the server goes
open loop:   requests are due by a fixed schedule; a late one waits for a free connection, and the wait counts
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
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


def paced(request: Request, connections: int, per_s: float, seconds: float, *, limit_s: float = 60.0) -> Measured:
    """Send `per_s` requests a second; a latency counts from when its request was due, sent or not.

    It ends when all are answered, so that no late answer is left out, or after `limit_s`.

    Raises:
        RuntimeError: as `closed`.
    """
    return uvloop.run(_paced(request, connections, per_s, seconds, limit_s))


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
        self._lost = asyncio.Event()
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
        self._lost.set()
        self._fail(f"the connection broke: {exc}")

    async def close(self) -> None:
        """Close it, and return when it is closed: a loop does not end well over open ones."""
        if self._transport is not None:
            self._transport.abort()
            await self._lost.wait()

    def _fail(self, why: str) -> None:
        if not self.over.done():
            self.over.set_exception(RuntimeError(why))


@asynccontextmanager
async def _connected(
    request: Request, count: int, on_answer: OnAnswer, over: asyncio.Future[None]
) -> AsyncIterator[list[_Connection]]:
    connections: list[_Connection] = []
    loop = asyncio.get_running_loop()
    try:
        for _ in range(count):
            _, connection = await loop.create_connection(
                lambda: _Connection(request, on_answer, over), "127.0.0.1", request.port
            )
            connections.append(connection)
        yield connections
    finally:
        for connection in connections:
            await connection.close()


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

    async with _connected(request, count, answered, done) as connections:
        began = time.perf_counter()
        ends = began + seconds
        for connection in connections:
            connection.send(time.perf_counter())
        await done
        took_s = time.perf_counter() - began
    return Measured(len(latencies_s) / took_s, sorted(latencies_s))


class _Schedule:
    """Requests that are due at a fixed rate, and the connections that are free for them."""

    def __init__(self, per_s: float, total: int, done: asyncio.Future[None]) -> None:
        self.latencies_s: list[float] = []
        self.idle: list[_Connection] = []
        self._late: deque[float] = deque()
        self._per_s = per_s
        self._total = total
        self._done = done
        self._begun = 0

    def send_due(self, began: float, now: float) -> None:
        while self._begun < self._total and (due := began + self._begun / self._per_s) <= now:
            self._begun += 1
            if self.idle:
                self.idle.pop().send(due)
            else:
                self._late.append(due)

    def answered(self, connection: _Connection, _: bytes) -> None:
        self.latencies_s.append(time.perf_counter() - connection.due)
        if self._late:
            connection.send(self._late.popleft())
        else:
            self.idle.append(connection)
        if len(self.latencies_s) == self._total and not self._done.done():
            self._done.set_result(None)


async def _paced(request: Request, count: int, per_s: float, seconds: float, limit_s: float) -> Measured:
    done = asyncio.get_running_loop().create_future()
    schedule = _Schedule(per_s, max(1, int(per_s * seconds)), done)
    async with _connected(request, count, schedule.answered, done) as connections:
        schedule.idle = list(connections)
        began = time.perf_counter()
        while not done.done() and (now := time.perf_counter()) < began + limit_s:
            schedule.send_due(began, now)
            await asyncio.sleep(_TICK_S)
        if done.done():
            done.result()
        took_s = time.perf_counter() - began
    return Measured(len(schedule.latencies_s) / took_s, sorted(schedule.latencies_s))


async def _one_by_one(request: Request, times: int, pause_s: float) -> list[tuple[float, bytes]]:
    loop = asyncio.get_running_loop()
    answers: list[tuple[float, bytes]] = []

    def answered(connection: _Connection, body: bytes) -> None:
        answers.append((time.time(), body))
        connection.over.set_result(None)

    async with _connected(request, 1, answered, loop.create_future()) as [connection]:
        for _ in range(times):
            connection.over = loop.create_future()
            connection.send(time.perf_counter())
            await connection.over
            await asyncio.sleep(pause_s)
    return answers


def _bearing(key: str | None) -> str:
    return "" if key is None else f"Authorization: Bearer {key}\r\n"
