"""What a handler gets beside its payload, and the exceptions by which it decides or is interrupted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog

MAX_DELAY_S: Final = 10 * 366 * 24 * 3600.0
"""The longest delay that a handler may ask for, in seconds: ten years."""


class Retry(Exception):  # noqa: N818 - a handler raises it as a verb: raise Retry(after_s=30)
    """Raise it in a handler to be tried again, in `after_s` seconds or after the kind's own delay.

    It spends one of the task's attempts like any other failure.
    """

    def __init__(self, message: str = "the handler asked for another attempt", *, after_s: float | None = None) -> None:
        super().__init__(message)
        if after_s is not None and not 0 <= after_s <= MAX_DELAY_S:
            raise ValueError(f"after_s must be from 0 to {MAX_DELAY_S:.0f} seconds, not {after_s}")
        self.after_s = after_s


class Discard(Exception):  # noqa: N818 - a handler raises it as a verb: raise Discard("the customer is gone")
    """Raise it in a handler to end the task as failed, without another attempt."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class Interrupted(BaseException):
    """Raised inside a running handler from outside. Not an `Exception`, so that a broad `except` lets it pass."""


class TaskCancelled(Interrupted):
    """Somebody cancelled the task. Clean up and let it pass; the process is killed after a grace."""


class TaskTimedOut(Interrupted):
    """The task ran longer than its `timeout_s`. Clean up and let it pass; the process is killed after a grace."""


def _ignore(_fraction: float, _note: str) -> None:
    return


def _never() -> bool:
    return False


def _logger() -> Any:
    return structlog.get_logger("taskyard.handler")


@dataclass(frozen=True, slots=True)
class Context:
    """One attempt, as its handler sees it.

    `idempotency_key` is the same in all attempts of a task and unique beyond this installation: hand it to whatever
    has side effects. `deadline` is when the attempt will be interrupted. `log` writes with the task's id, kind and
    attempt.
    """

    id: int
    kind: str
    attempt: int
    idempotency_key: str
    deadline: datetime
    name: str = ""
    tags: tuple[str, ...] = ()
    log: Any = field(default_factory=_logger)
    report: Callable[[float, str], None] = _ignore
    is_cancelled: Callable[[], bool] = _never

    def progress(self, fraction: float, note: str = "") -> None:
        """Say how far the attempt is: `fraction` from 0 to 1, with a note of at most 200 characters.

        Cheap to call often: it is written at most once a second.
        """
        self.report(min(1.0, max(0.0, fraction)), note[:200])

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked for the task to be cancelled."""
        return self.is_cancelled()

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative past it."""
        return (self.deadline - datetime.now(UTC)).total_seconds()
