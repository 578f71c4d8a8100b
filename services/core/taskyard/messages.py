"""Telling a message of ours from anything else that may lie in RabbitMQ, before anybody acts on it.

Whoever may write to the broker can send whatever AMQP can carry. Celery looks at half of it when it is too late: a
delay keeps a message in memory, a callback publishes another, a body is read in a child, where a failure acknowledges
it. So a message is judged whole first; one that says more than "run these attempts of this kind" is none of ours.
Headers nobody knows are let pass: a newer Celery may write them.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from taskyard.broker import QUEUE_PREFIX, attempts_in
from taskyard.errors import TaskyardError
from taskyard.statements.claims import Held

MAX_BODY_BYTES: Final = 256 * 1024
_MAX_TEXT_CHARS: Final = 255
_TEXTS: Final = ("task", "id", "root_id")
_TEXTS_IF_THERE: Final = ("lang", "origin", "argsrepr", "kwargsrepr")
_UNUSED: Final = (
    *("shadow", "eta", "expires", "group", "group_index", "retries", "timelimit", "parent_id"),
    *("replaced_task_nesting", "stamped_headers", "stamps", "chord", "reply_to"),
)
"""What Celery acts on and Taskyard never uses."""


class ForeignMessageError(TaskyardError):
    """A message that no dispatcher wrote; the text says what gives it away."""

    code = "foreign_message"


def read(headers: Any, content_type: Any, content_encoding: Any, body: Any) -> list[Held]:
    """Return the attempts that a message of ours asks for, at least one.

    Raises:
        ForeignMessageError: it is none.
    """
    _check_headers(headers)
    if (content_type, content_encoding) != ("application/json", "utf-8"):
        raise ForeignMessageError(f"its content is {content_type!r} in {content_encoding!r}"[:_MAX_TEXT_CHARS])
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    if len(content) > MAX_BODY_BYTES:
        raise ForeignMessageError(f"its body has {len(content)} bytes; ours have at most {MAX_BODY_BYTES}")
    try:
        args, kwargs, embedded = orjson.loads(content)
        attempts = attempts_in(args)
    except (ValueError, TypeError) as error:
        raise ForeignMessageError(f"its body cannot be read: {error}"[:_MAX_TEXT_CHARS]) from error
    if kwargs != {} or not isinstance(embedded, dict) or any(embedded.values()):
        raise ForeignMessageError("its body asks for more than to run attempts")
    if not attempts:
        raise ForeignMessageError("it asks for no attempt")
    return attempts


def check_way(exchange: Any, routing_key: Any) -> None:
    """Raise `ForeignMessageError` for a message that came to its queue by another way than the dispatcher's."""
    if exchange or not isinstance(routing_key, str) or not routing_key.startswith(QUEUE_PREFIX):
        raise ForeignMessageError("it came by an exchange that is not ours")


def has_readable_deaths(headers: Any) -> bool:
    """Whether the header `x-death`, where there is one, is such as RabbitMQ writes it when it dead-letters a message.

    It reads its own header without a doubt. In version 3.10 one that a client forged ends the process that moves dead
    letters, again and again, until RabbitMQ moves none any more, of any queue.
    """
    if not isinstance(headers, Mapping) or "x-death" not in headers:
        return True
    deaths = headers["x-death"]
    return isinstance(deaths, list) and bool(deaths) and all(map(_is_death, deaths))


def _is_death(death: Any) -> bool:
    return (
        isinstance(death, Mapping)
        and all(isinstance(death.get(name), str) for name in ("queue", "reason", "exchange"))
        and type(death.get("count")) is int
        and isinstance(death.get("routing-keys"), list)
    )


def _check_headers(headers: Any) -> None:
    if not isinstance(headers, Mapping) or not headers:
        raise ForeignMessageError("it has no headers")
    if not all(isinstance(name, str) for name in headers):
        raise ForeignMessageError("it has a header whose name is no text")
    for name in _TEXTS:
        if not isinstance(headers.get(name), str) or not 0 < len(headers[name]) <= _MAX_TEXT_CHARS:
            raise ForeignMessageError(f"its header {name!r} is no short text")
    for name in _TEXTS_IF_THERE:
        if not isinstance(headers.get(name, ""), str | None):
            raise ForeignMessageError(f"its header {name!r} is no text")
    if used := [name for name in _UNUSED if _says_something(headers.get(name))]:
        raise ForeignMessageError(f"its header {used[0]!r} asks for more than to run attempts")


def _says_something(value: Any) -> bool:
    return any(value) if isinstance(value, list) else bool(value)
