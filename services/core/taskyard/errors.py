"""What can go wrong, as one tree. Nothing here knows of HTTP; the API has the one table of statuses.

TaskyardError
├── UnavailableError            PostgreSQL cannot be reached just now
├── OverloadedError             more work was handed in than can be taken at once
├── KeyRefusedError             no key was sent where one is needed, or none that is valid
├── ScopeMissingError           the key is valid, but may not do that
├── RateExceededError           the key sends more requests than it may
├── NotFoundError               no such task, kind or queue
├── ConflictError               the task's status does not allow that
├── InvalidError                what was handed in breaks a rule; says where and which
│   └── KeyReusedError          an idempotency key came back with another request
└── HandlerLoadError            handlers cannot be loaded or declared
"""

from dataclasses import dataclass
from typing import ClassVar


class TaskyardError(Exception):
    """The root. `code` is stable and part of the API."""

    code: ClassVar[str] = "error"


class UnavailableError(TaskyardError):
    """PostgreSQL cannot be reached just now; the same call may succeed in `retry_after_s`."""

    code = "unavailable"
    retry_after_s: ClassVar[int] = 2


class OverloadedError(TaskyardError):
    """More work was handed in than can be taken at once; nothing of it was recorded."""

    code = "overloaded"
    retry_after_s: ClassVar[int] = 1


class KeyRefusedError(TaskyardError):
    """No key was sent where one is needed, or one that is not known, has expired or was revoked."""

    code = "key_refused"

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class ScopeMissingError(TaskyardError):
    """The key is valid, but has not the `scope` that is needed."""

    code = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"the key lacks the scope {scope}")
        self.scope = scope


class RateExceededError(TaskyardError):
    """The key sends more requests than it may; the same one may pass in `retry_after_s`."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotFoundError(TaskyardError):
    """There is no such task, kind or queue."""

    code = "not_found"


class ConflictError(TaskyardError):
    """The status of the task does not allow what was asked."""

    code = "conflict"


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule: `field` is a path such as `payload.rows[0].a`, `message` says what to do."""

    field: str
    message: str


class InvalidError(TaskyardError):
    """What was handed in breaks one rule or more."""

    code = "invalid"

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults = faults


class KeyReusedError(InvalidError):
    """An idempotency key was sent again with another request."""

    code = "idempotency_key_reused"


class HandlerLoadError(TaskyardError):
    """Handlers cannot be loaded or declared; the message names the module and the cause."""

    code = "handler_load"
