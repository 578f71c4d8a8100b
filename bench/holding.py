"""Connections that are held open while nothing is sent: idle ones, and long polls that wait for their answers.

Nothing runs here meanwhile, so that what a server spends on them can be seen.
"""

import resource
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from bench.load import Request

_OWN_FILES = 500
_AT_ONCE = 100
_BETWEEN_S = 0.001
_ANSWER_S = 30.0
_READ_BYTES = 65536


@contextmanager
def files_for(connections: int) -> Iterator[None]:
    """Let this process, and those that it starts meanwhile, have so many connections open, each a file.

    Raises:
        RuntimeError: the hard limit of this process is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OWN_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise RuntimeError(f"{needed} open files are needed, and `ulimit -Hn` is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed) if soft != resource.RLIM_INFINITY else soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def idle(request: Request, count: int) -> Iterator[list[socket.socket]]:
    """Hold so many connections, each of which has had its answer to `request` and sends nothing more.

    Raises:
        RuntimeError: an answer was none of those expected, or did not come.
    """
    with ExitStack() as held:
        connections: list[socket.socket] = []
        while len(connections) < count:
            opened = [_open(held, request) for _ in range(min(_AT_ONCE, count - len(connections)))]
            answers([request] * len(opened), opened, _ANSWER_S)
            connections += opened
        yield connections


@contextmanager
def waiting(requests: Sequence[Request]) -> Iterator[list[socket.socket]]:
    """Hold one connection a request, each of which waits for its answer. A thousand a second are sent at most."""
    with ExitStack() as held:
        connections: list[socket.socket] = []
        for request in requests:
            connections.append(_open(held, request))
            time.sleep(_BETWEEN_S)
        yield connections


def heard_of(connections: Sequence[socket.socket]) -> int:
    """Return on how many of them the server has sent something, or ended."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        return len(selector.select(0))


def answers(requests: Sequence[Request], connections: Sequence[socket.socket], limit_s: float) -> list[float]:
    """Wait for the answers to `requests`, one on each connection; return when each was whole (`time.time()`).

    Raises:
        RuntimeError: an answer was none of those expected, or did not come within `limit_s`.
    """
    came: dict[int, float] = {}
    received = [b""] * len(connections)
    deadline = time.monotonic() + limit_s
    with selectors.DefaultSelector() as selector:
        for number, connection in enumerate(connections):
            selector.register(connection, selectors.EVENT_READ, number)
        while len(came) < len(connections):
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise RuntimeError(f"{len(connections) - len(came)} of {len(connections)} answers did not come")
            for key, _ in ready:
                number = key.data
                received[number] += _read(connections[number])
                if _is_whole(received[number], requests[number].status):
                    came[number] = time.time()
                    selector.unregister(key.fileobj)
    return [came[number] for number in range(len(connections))]


def _open(held: ExitStack, request: Request) -> socket.socket:
    connection = held.enter_context(socket.create_connection(("127.0.0.1", request.port), _ANSWER_S))
    connection.sendall(request.sent)
    return connection


def _read(connection: socket.socket) -> bytes:
    read = b""
    with suppress(ConnectionError):
        read = connection.recv(_READ_BYTES)
    if not read:
        raise RuntimeError("the server closed a connection before its answer was whole")
    return read


def _is_whole(received: bytes, status: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return False
    if not received.startswith(status):
        raise RuntimeError(f"unexpected answer: {received[:300]!r}")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
    return len(body) >= int(length)
