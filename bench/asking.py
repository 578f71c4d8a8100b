"""Requests one after the other over one connection: how long an answer takes when nobody else asks."""

import socket
import time
from collections.abc import Iterable

from bench.load import Request

_ANSWER_S = 60.0
_MOST_BYTES = 1 << 16


def one_after_another(requests: Iterable[Request]) -> list[tuple[float, bytes]]:
    """Send each when the one before is answered; return the seconds that each answer took, and its body.

    All are for the same port.

    Raises:
        RuntimeError: an answer was none of those expected, or the connection broke.
    """
    answers: list[tuple[float, bytes]] = []
    connection: socket.socket | None = None
    try:
        for request in requests:
            if connection is None:
                connection = socket.create_connection(("127.0.0.1", request.port), timeout=_ANSWER_S)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sent_at = time.perf_counter()
            connection.sendall(request.sent)
            head, body = _read(connection)
            answers.append((time.perf_counter() - sent_at, body))
            if not head.startswith(request.status):
                raise RuntimeError(f"unexpected answer: {(head + body)[:300]!r}")
    finally:
        if connection is not None:
            connection.close()
    return answers


def _read(connection: socket.socket) -> tuple[bytes, bytes]:
    received = b""
    while (head := received.find(b"\r\n\r\n")) < 0:
        received += _more(connection)
    length = int(received[:head].lower().split(b"content-length: ", 1)[1].split(b"\r", 1)[0])
    while len(received) < head + 4 + length:
        received += _more(connection)
    return received[:head], received[head + 4 :]


def _more(connection: socket.socket) -> bytes:
    if not (more := connection.recv(_MOST_BYTES)):
        raise RuntimeError("the server closed the connection")
    return more
