"""Declaring what workers can do: the `task` decorator, the kinds it makes, and loading them by module name."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, ParamSpec, TypeVar, get_type_hints

from pydantic import TypeAdapter

from taskyard.errors import HandlerLoadError
from taskyard.redaction import MAX_NAMES, Redaction
from taskyard.redaction import NAME_PATTERN as SECRET_PATTERN
from taskyard.retry import RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_QUEUE: Final = "default"
NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,62}$"
MAX_TIMEOUT_S: Final = 7 * 24 * 3600.0
MAX_ATTEMPTS: Final = 1000


@dataclass(frozen=True)
class Kind:
    """A sort of task: its handler, what it takes, and its defaults. `payload` is None where the handler takes none.

    `redact` names the members of payload and result that are secret.
    """

    name: str
    handler: Callable[..., Any]
    payload: TypeAdapter[Any] | None
    queue: str
    timeout_s: float
    max_attempts: int
    retry: RetryPolicy
    description: str
    redact: tuple[str, ...] = ()

    @cached_property
    def redaction(self) -> Redaction:
        """What of its payloads and results is secret."""
        return Redaction(self.redact)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the payload, as the catalogue shows it."""
        return {"type": "object"} if self.payload is None else self.payload.json_schema()


_declared: dict[str, Kind] = {}


def task(
    name: str,
    *,
    queue: str = DEFAULT_QUEUE,
    timeout_s: float = 300.0,
    max_attempts: int = 5,
    retry: RetryPolicy | None = None,
    description: str = "",
    redact: Sequence[str] = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare the function below as the handler of the kind `name`.

    The function takes a `Context`, then optionally the payload, whose annotation pydantic checks it against; it may be
    `async`. What it returns (JSON, or a pydantic model) is the task's result. The description defaults to the first
    line of the docstring.

    `redact` names members of payload and result that are secret: `password` at any depth, `card.number` from the root
    on. Answers show them only to those who may read payloads; error messages, tracebacks and logs to nobody.

    Raises:
        HandlerLoadError: the name is taken or malformed, a limit is out of range, or the signature does not fit.
    """

    def declare(handler: Callable[P, R]) -> Callable[P, R]:
        where = f"{handler.__module__}.{handler.__qualname__}"
        _check_limits(where, name, queue, timeout_s, max_attempts)
        _check_secrets(where, redact)
        _check_free(where, name)
        _declared[name] = Kind(
            name=name,
            handler=handler,
            payload=_payload_adapter(handler, where),
            queue=queue,
            timeout_s=timeout_s,
            max_attempts=max_attempts,
            retry=retry or RetryPolicy(),
            description=description or (inspect.getdoc(handler) or "").partition("\n")[0],
            redact=tuple(redact),
        )
        return handler

    return declare


def _check_limits(where: str, name: str, queue: str, timeout_s: float, max_attempts: int) -> None:
    for value, word in ((name, "kind"), (queue, "queue")):
        if not re.fullmatch(NAME_PATTERN, value):
            raise HandlerLoadError(f"{where}: {word} {value!r} must match {NAME_PATTERN}")
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise HandlerLoadError(f"{where}: timeout_s must be over 0 and at most {MAX_TIMEOUT_S:.0f}")
    if not 1 <= max_attempts <= MAX_ATTEMPTS:
        raise HandlerLoadError(f"{where}: max_attempts must be from 1 to {MAX_ATTEMPTS}")


def _check_secrets(where: str, redact: Sequence[str]) -> None:
    if isinstance(redact, str) or len(redact) > MAX_NAMES:
        raise HandlerLoadError(f"{where}: redact is a list of up to {MAX_NAMES} names")
    for name in redact:
        if not re.fullmatch(SECRET_PATTERN, name):
            raise HandlerLoadError(f"{where}: redact names members, such as 'password' or 'card.number', not {name!r}")


def _check_free(where: str, name: str) -> None:
    """Refuse a second handler of a kind; the same one, its module loaded anew, may come again."""
    if (taken := _declared.get(name)) is not None:
        other = f"{taken.handler.__module__}.{taken.handler.__qualname__}"
        if other != where:
            raise HandlerLoadError(f"{where}: the kind {name!r} is already handled by {other}")


def kind_of(handler: Callable[..., Any]) -> Kind:
    """Return the kind that `handler` was declared for.

    Raises:
        HandlerLoadError: it was not declared with `@task`.
    """
    for kind in _declared.values():
        if kind.handler is handler:
            return kind
    raise HandlerLoadError(f"{handler.__module__}.{handler.__qualname__} is not declared with @task")


def load(modules: Iterable[str]) -> Mapping[str, Kind]:
    """Import `modules` and return every kind declared so far, by name.

    Raises:
        HandlerLoadError: a module cannot be imported; the message names it and the cause.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except HandlerLoadError:
            raise
        except Exception as error:
            raise HandlerLoadError(
                f"cannot import handlers from {module!r}: {type(error).__name__}: {error}"
            ) from error
    return dict(_declared)


def _payload_adapter(handler: Callable[..., Any], where: str) -> TypeAdapter[Any] | None:
    parameters = [
        parameter
        for parameter in inspect.signature(handler).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if not 1 <= len(parameters) <= 2:  # noqa: PLR2004 - the context and the payload
        raise HandlerLoadError(f"{where}: a handler takes (ctx) or (ctx, payload)")
    if len(parameters) == 1:
        return None
    try:
        annotation = get_type_hints(handler, include_extras=True).get(parameters[1].name, dict[str, Any])
        return TypeAdapter(annotation)
    except Exception as error:
        raise HandlerLoadError(f"{where}: the payload's annotation is no pydantic type: {error}") from error
