"""What happens around every request: its id, its size limit, its line in the log, its metrics."""

import random
import re
import time
from dataclasses import dataclass
from typing import Any, Final

import structlog
from fastapi import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskyard_api.leaving import Leaving
from taskyard_api.metrics import RequestMetrics
from taskyard_api.problems import problem, unexpected

_REQUEST_ID: Final = re.compile(r"[\w.-]{1,64}", re.ASCII)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_JSON: Final = "send the body as JSON, and say so: Content-Type: application/json"
_NO_ANSWER: Final = 500  # of a request whose client left first
_QUIET: Final = frozenset({"/livez", "/readyz"})

log = structlog.get_logger(__name__)


class Edge:
    """The outermost layer of the API. `/tasks/` is `/tasks`: a slash at the end means nothing."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: RequestMetrics,
        leaving: Leaving,
        max_body_bytes: int,
        max_batch_bytes: int,
        intake_bytes: int,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._leaving = leaving
        self._max_body_bytes = max_body_bytes
        self._max_batch_bytes = max_batch_bytes
        self._room_bytes = intake_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; what is no HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = _without_slash(scope["path"])
        sent = dict(scope["headers"])
        request_id = _request_id(sent.get(b"x-request-id", b""))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.monotonic()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
                if self._leaving.begun:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        held = _Held()
        self._leaving.asked(by_probe=scope["path"] in _QUIET)
        self._metrics.in_progress.inc()
        limit_bytes = self._max_batch_bytes if scope["path"] == "/tasks/batch" else self._max_body_bytes
        try:
            if (refusal := _refusal(sent, limit_bytes)) is not None:
                await refusal(scope, receive, send_with_id)
            else:
                await self._app(scope, self._limited(receive, limit_bytes, held), send_with_id)
        except Exception as error:
            if not status:
                await unexpected(error)(scope, receive, send_with_id)
            raise  # for the server's log, and as FastAPI does it
        finally:
            self._room_bytes += held.size_bytes
            self._metrics.in_progress.dec()
            self._observe(scope, status or _NO_ANSWER, time.monotonic() - started)

    def _limited(self, receive: Receive, limit_bytes: int, held: "_Held") -> Receive:
        """Count what a request sends, and refuse it past its own limit, or past what there is room for in all."""

        async def counted() -> Message:
            message: dict[str, Any] = dict(await receive())
            size_bytes = len(message.get("body", b""))
            held.size_bytes += size_bytes
            self._room_bytes -= size_bytes
            if held.size_bytes > limit_bytes:
                raise HTTPException(413, _too_large(limit_bytes))
            if self._room_bytes < 0:
                raise HTTPException(503, "too much is being sent; send this again a little later", {"Retry-After": "1"})
            return message

        return counted

    def _observe(self, scope: Scope, status: int, duration_s: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "<unmatched>")
        self._metrics.answered(method, route, status, duration_s)
        say = log.debug if scope["path"] in _QUIET else log.info
        say(
            "request",
            method=method,
            path=scope["path"],
            route=route,
            status=status,
            duration_ms=round(duration_s * 1000, 2),
        )


@dataclass(slots=True)
class _Held:
    """What one request has sent so far of its body."""

    size_bytes: int = 0


def _without_slash(path: str) -> str:
    return (path.rstrip("/") or "/") if path.endswith("/") else path


def _refusal(sent: dict[bytes, bytes], limit_bytes: int) -> Response | None:
    """Return the answer to a request whose headers alone rule it out."""
    if _declared_bytes(sent) > limit_bytes:
        return problem(413, "too_large", _too_large(limit_bytes))
    if not _is_json(sent):
        return problem(415, "unsupported_media_type", _NO_JSON)
    return None


def _request_id(given: bytes) -> str:
    text = given.decode("latin-1")
    if _REQUEST_ID.fullmatch(text):
        return text
    return f"{random.getrandbits(128):032x}"  # new, but no secret: asks the system for nothing, as uuid4 does


def _declared_bytes(headers: dict[bytes, bytes]) -> int:
    declared = headers.get(b"content-length", b"0")
    return int(declared) if declared.isdigit() else 0


def _is_json(headers: dict[bytes, bytes]) -> bool:
    """Whether the request says that its body, if it has one, is JSON."""
    has_body = _declared_bytes(headers) > 0 or b"transfer-encoding" in headers
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    return not has_body or kind == b"application/json" or kind.endswith(b"+json")


def _too_large(limit_bytes: int) -> str:
    return f"the body is larger than {limit_bytes} bytes; store large data elsewhere and send a link to it"
