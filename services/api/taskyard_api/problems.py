"""Errors as RFC 9457 problems: the only table of HTTP statuses."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from taskyard.errors import (
    ConflictError,
    Fault,
    InvalidError,
    KeyRefusedError,
    KeyReusedError,
    NotFoundError,
    OverloadedError,
    RateExceededError,
    ScopeMissingError,
    TaskyardError,
    UnavailableError,
)

MEDIA_TYPE: Final = "application/problem+json"

_STATUS: Final[Mapping[type[TaskyardError], HTTPStatus]] = {
    KeyRefusedError: HTTPStatus.UNAUTHORIZED,
    ScopeMissingError: HTTPStatus.FORBIDDEN,
    RateExceededError: HTTPStatus.TOO_MANY_REQUESTS,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    KeyReusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    OverloadedError: HTTPStatus.SERVICE_UNAVAILABLE,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_HTTP_CODES: Final = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    503: "overloaded",
}

log = structlog.get_logger(__name__)


class FieldProblem(BaseModel):
    """One broken rule."""

    field: str = Field(description="path of the value", examples=["payload.rows[0].price"])
    message: str = Field(description="what is wrong with it", examples=["'12' is not of type 'number'"])


class Problem(BaseModel):
    """An error, as RFC 9457 describes it. `code` is stable; `detail` is for people."""

    type: str = Field(examples=["urn:taskyard:problem:invalid"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    code: str = Field(examples=["invalid"])
    detail: str = Field(examples=["payload.rows[0].price: '12' is not of type 'number'"])
    request_id: str | None = Field(None, description="also in the header X-Request-ID, and in the logs")
    errors: list[FieldProblem] | None = Field(None, description="each broken rule, for 422; the missing scope, for 403")


_WHAT: Final = {
    400: "The body is no JSON.",
    401: "No key was sent, or one that is not known, has expired or was revoked.",
    403: "The key lacks a scope; `errors` says which.",
    404: "There is none.",
    409: "The status of the task does not allow that.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    422: "Something breaks a rule; `errors` says where.",
    429: "The key sends more requests than it may. Try again after `Retry-After` seconds.",
    503: "The database is away, or too much waits already. Try again after `Retry-After` seconds.",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the problems that an endpoint may answer with; 503 is always one."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": _WHAT[status], "content": {MEDIA_TYPE: schema}} for status in sorted({*statuses, 503})
    }


def problem(
    status: int, code: str, detail: str, *, errors: tuple[Fault, ...] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer that says what went wrong."""
    body: dict[str, Any] = {
        "type": f"urn:taskyard:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
    }
    if errors:
        body["errors"] = [{"field": fault.field, "message": fault.message} for fault in errors]
    return Response(orjson.dumps(body), int(status), dict(headers or {}), MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Have every error of `app` answered as a problem."""
    app.add_exception_handler(TaskyardError, _on_known_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_known_error)
    app.add_exception_handler(Exception, _on_unexpected)


def _on_known_error(_request: Request, error: Exception) -> Response:
    return told(error)


def told(error: Exception) -> Response:
    """Return the answer that tells an error of the tree in `taskyard.errors`, or one of HTTP."""
    if isinstance(error, HTTPException):
        code = _HTTP_CODES.get(error.status_code, "error")
        return problem(error.status_code, code, str(error.detail), headers=error.headers)
    status = next((_STATUS[cls] for cls in type(error).__mro__ if cls in _STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)
    return problem(status, getattr(error, "code", "error"), str(error), errors=_faults(error), headers=_headers(error))


def _faults(error: Exception) -> tuple[Fault, ...]:
    if isinstance(error, InvalidError):
        return error.faults
    return (Fault(error.scope, "is the scope that is missing"),) if isinstance(error, ScopeMissingError) else ()


def _headers(error: Exception) -> dict[str, str]:
    """Return what tells a program what to do: try again when, or send which key (RFC 6750)."""
    if isinstance(error, KeyRefusedError):
        return {"WWW-Authenticate": "Bearer" + (' error="invalid_token"' if error.was_sent else "")}
    if isinstance(error, ScopeMissingError):
        return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{error.scope}"'}
    retry_after_s = getattr(error, "retry_after_s", None)
    return {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}


def _on_validation_error(_request: Request, error: Exception) -> Response:
    details = error.errors() if isinstance(error, RequestValidationError) else []
    faults = tuple(Fault(_field(detail["loc"]), _printable(detail["msg"])) for detail in details)
    if any(detail["type"] == "json_invalid" for detail in details):
        return problem(HTTPStatus.BAD_REQUEST, "malformed", f"the body is no JSON: {faults[0].message}")
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid",
        "; ".join(f"{f.field}: {f.message}" for f in faults[:5]),
        errors=faults,
    )


def _on_unexpected(_request: Request, error: Exception) -> Response:
    return unexpected(error)


def unexpected(error: Exception) -> Response:
    """Write an error that nobody foresaw to the log; return the answer that tells no more than that."""
    log.error("unexpected error", exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "an error that nobody expected; the log has it")


def _field(location: tuple[int | str, ...]) -> str:
    """Return a path as people write it; where the value was (body, query …) is told where it is not the body."""
    parts = location[1:] if location[:1] == ("body",) else location
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
    return _printable(path) or "body"


def _printable(text: str) -> str:
    return re.sub(r"[\ud800-\udfff\x00-\x1f]", "\ufffd", text)
