"""Connections as this API takes them: so many, with headers of a bounded size, from clients that keep moving.

    accepted ─▶ too many? 503 ─▶ headers, in 10 s and 32 KiB, else 408 or 431 ─▶ body, in 60 s, else 408 ─▶ answer

uvicorn bounds none of these, and the parser below it holds a header, however long, until its end has come. What an
idle connection costs is bounded by uvicorn's own time for keeping it alive.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import uvicorn
from fastapi import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from taskyard_api.metrics import ConnectionMetrics
from taskyard_api.problems import problem
from taskyard_api.settings import ApiSettings

KEEP_ALIVE_S: Final = 75
_MAX_HEADERS: Final = 100
_PER_HEADER_BYTES: Final = 4  # ": " and the end of the line


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may take, and how many there may be.

    `body_timeout_s` is the time to send a body, and how long an answer waits for a client that reads nothing of it.
    """

    max_connections: int
    max_header_bytes: int
    header_timeout_s: float
    body_timeout_s: float


class BoundedConnection(HttpToolsProtocol):
    """One connection. Abstract: `bounded_by` says by which limits.

    A client is *due* from the start of a connection to the end of its headers, then to the end of its body, and again
    from the first byte of its next request on. It is not while it waits for an answer.
    """

    limits: ConnectionLimits
    metrics: ConnectionMetrics

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._due: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._is_in_body = False
        self._header_bytes = 0
        self._header_count = 0
        self._unparsed_bytes = 0
        self._has_progressed = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take the connection, or turn it away where there are too many."""
        super().connection_made(transport)
        self.metrics.open.inc()
        if len(self.connections) > self.limits.max_connections:
            self._refuse("too_many", problem(503, "overloaded", "too many connections are open", headers=_SOON))
        else:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.metrics.open.dec()
        self._set_due(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and refuse what is too large or never becomes a request."""
        self._has_progressed = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        self._unparsed_bytes = 0 if self._has_progressed else self._unparsed_bytes + len(data)
        if self._unparsed_bytes > self.limits.max_header_bytes:
            self._refuse("large_headers", _large_headers(self.limits))
        elif self._due is None and not self._is_serving():
            self._await_headers()

    def on_message_begin(self) -> None:
        """Expect headers, from the first byte of a request on."""
        super().on_message_begin()
        self._header_bytes = self._header_count = 0
        self._is_in_body = False
        self._has_progressed = True
        if self._due is None:
            self._await_headers()

    def on_url(self, url: bytes) -> None:
        """Count a part of the URL."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or one that follows a body."""
        self._header_count += 1
        self._count(len(name) + len(value) + _PER_HEADER_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Expect the body."""
        super().on_headers_complete()
        self._has_progressed = self._is_in_body = True
        self._set_due(self.limits.body_timeout_s)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._has_progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect nothing: the client waits for its answer now."""
        self._has_progressed = True
        self._is_in_body = False
        self._set_due(None)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are not ours
        """Answer what is no request, or one with too large headers."""
        if self._is_too_large():
            self._refuse("large_headers", _large_headers(self.limits))
        else:
            self._refuse("malformed", problem(400, "malformed", "that is no HTTP request"))

    def pause_writing(self) -> None:
        """Wait for a client that does not read, for a while."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.limits.body_timeout_s, self._abort, "stalled")

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also where its client never read the last answer."""
        if self.transport.get_write_buffer_size():
            self._abort("stalled")
        else:
            super().timeout_keep_alive_handler()

    def _count(self, size_bytes: int) -> None:
        self._has_progressed = True
        self._header_bytes += size_bytes
        if self._is_too_large():
            raise _TooLargeError

    def _is_too_large(self) -> bool:
        return self._header_bytes > self.limits.max_header_bytes or self._header_count > _MAX_HEADERS

    def _is_serving(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn says that there is always one
        return self._is_in_body or bool(self.pipeline) or (cycle is not None and not cycle.response_complete)

    def _await_headers(self) -> None:
        self._set_due(self.limits.header_timeout_s)

    def _set_due(self, in_s: float | None) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due = None if in_s is None else self.loop.call_later(in_s, self._on_late)

    def _on_late(self) -> None:
        self._due = None
        if self.pipeline or self.flow.read_paused:  # we keep it waiting, not it us
            self._set_due(self.limits.body_timeout_s)
        elif self._is_in_body:
            late = problem(408, "too_slow", f"the body did not come within {self.limits.body_timeout_s:g} s")
            self._refuse("slow_body", late)
        else:
            late = problem(408, "too_slow", f"the headers did not come within {self.limits.header_timeout_s:g} s")
            self._refuse("slow_headers", late)

    def _refuse(self, cause: str, answer: Response) -> None:
        """Close the connection, with `answer` where none has begun and no earlier request waits for its own."""
        self.metrics.refused.labels(cause).inc()
        self._set_due(None)
        cycle: RequestResponseCycle | None = self.cycle  # as above
        is_unanswered = cycle is None or not cycle.response_started
        if is_unanswered if self._is_in_body else cycle is None or cycle.response_complete:
            self.transport.write(_written(answer))
        self.transport.close()

    def _abort(self, cause: str) -> None:
        self.metrics.refused.labels(cause).inc()
        self.transport.abort()


class _TooLargeError(Exception):
    """Ends the parser's work on a request; `send_400_response` is called then."""


def bounded_by(limits: ConnectionLimits, metrics: ConnectionMetrics) -> type[BoundedConnection]:
    """Return a class of connections with `limits`, that tell `metrics` of what was refused."""
    return type("Connection", (BoundedConnection,), {"limits": limits, "metrics": metrics})


def server_config(app: Any, settings: ApiSettings, metrics: ConnectionMetrics) -> uvicorn.Config:
    """Return how uvicorn is to serve `app`."""
    limits = ConnectionLimits(
        settings.api_max_connections,
        settings.api_max_header_bytes,
        settings.api_header_timeout_s,
        settings.api_body_timeout_s,
    )
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        http=bounded_by(limits, metrics),
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=settings.api_shutdown_s,
        timeout_keep_alive=KEEP_ALIVE_S,
        backlog=4096,
    )


_SOON: Final = {"Retry-After": "1"}


def _large_headers(limits: ConnectionLimits) -> Response:
    return problem(
        431,
        "headers_too_large",
        f"URL and headers may have {limits.max_header_bytes} bytes together, and {_MAX_HEADERS} headers",
    )


def _written(answer: Response) -> bytes:
    """Return a whole answer as it goes over the wire; the connection ends with it."""
    answer.headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}".encode()]
    lines += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])
