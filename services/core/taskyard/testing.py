"""Run a handler in process, as a worker would: for the tests of those who write handlers.

from taskyard.testing import run

assert run(render, {"customer": 7}) == {"pages": 1}
"""

import asyncio
import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from taskyard.context import Context
from taskyard.documents import dump
from taskyard.handlers import Kind, kind_of
from taskyard.results import to_json


def run(handler: Callable[..., Any], payload: dict[str, Any] | None = None, **context: Any) -> Any:
    """Check `payload` as a worker does, run `handler` once, and return its result as JSON would carry it.

    `context` overrides attributes of the `Context` that the handler gets, such as `attempt=3`.

    Raises:
        pydantic.ValidationError: the payload does not fit the handler's annotation.
        InvalidError: the payload or the result cannot be stored as JSON.
        Exception: whatever the handler raises, `Retry` and `Discard` included.
    """
    kind = kind_of(handler)
    dump(payload or {}, "payload")
    return to_json(call(kind, _context(kind, context), payload or {}))


def call(kind: Kind, context: Context, payload: dict[str, Any]) -> Any:
    """Call the handler of `kind`, awaiting it where it is `async`."""
    arguments = () if kind.payload is None else (kind.payload.validate_json(orjson.dumps(payload)),)
    returned = kind.handler(context, *arguments)
    return asyncio.run(_awaited(returned)) if inspect.isawaitable(returned) else returned


async def _awaited(returned: Any) -> Any:
    return await returned


def _context(kind: Kind, overrides: dict[str, Any]) -> Context:
    given: dict[str, Any] = {
        "id": 1,
        "kind": kind.name,
        "attempt": 1,
        "idempotency_key": "task-1-test",
        "deadline": datetime.now(UTC) + timedelta(seconds=kind.timeout_s),
        "name": kind.name,
    }
    return Context(**(given | overrides))
