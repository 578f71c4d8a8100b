"""How an attempt ended, and what follows from it: one pure function, `decide`.

An attempt that failed by its own fault spends one of the task's `max_attempts`. An attempt whose worker died spends
nothing of that: nobody knows whose fault it was. It has a budget of its own, so that a task that kills its workers
does not do it for ever.
"""

from dataclasses import dataclass

from taskyard.retry import RetryPolicy
from taskyard.states import Reason, Status


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """What an attempt's row says of its error; `traceback` is empty where there is none worth showing."""

    type: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned; `result` is JSON text."""

    result: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised, ran too long, or returned what is no result.

    `permanent` where trying again cannot help; `after_s` where the handler named the delay.
    """

    reason: Reason
    error: ErrorReport
    permanent: bool = False
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The handler ended because its task was cancelled."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker died while it ran the attempt, or its lease ran out."""

    error: ErrorReport


Outcome = Succeeded | Failed | Cancelled | Lost


@dataclass(frozen=True, slots=True)
class Budget:
    """What a task may still spend when its current attempt fails.

    `tries`: attempts that count against `max_attempts`, the current one included. `losses`: earlier attempts whose
    worker died; at `max_losses` the task is given up.
    """

    tries: int
    max_attempts: int
    losses: int = 0
    max_losses: int = 3


@dataclass(frozen=True, slots=True)
class Move:
    """The status to record, and in how many seconds the next attempt is due, where there is one.

    A retrying task without `due_in_s` is due at once and has its old place in the line: before all that came after it.
    """

    to: Status
    reason: Reason | None = None
    due_in_s: float | None = None


def decide(outcome: Outcome, budget: Budget, policy: RetryPolicy, dice: float) -> Move:
    """Name the move that follows from `outcome`: retry while the budget allows, else the end."""
    match outcome:
        case Succeeded():
            return Move(Status.SUCCEEDED)
        case Cancelled():
            return Move(Status.CANCELLED, Reason.CANCELLED)
        case Lost():
            if budget.losses + 1 >= budget.max_losses:
                return Move(Status.FAILED, Reason.WORKER_LOST)
            return Move(Status.RETRYING, Reason.WORKER_LOST)
        case Failed(reason=reason, permanent=permanent, after_s=after_s):
            if permanent or budget.tries >= budget.max_attempts:
                return Move(Status.FAILED, reason)
            due_in_s = policy.delay_s(budget.tries, dice) if after_s is None else after_s
            return Move(Status.RETRYING, reason, due_in_s)
