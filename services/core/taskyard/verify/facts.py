"""The plain facts that a verdict is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.states import FINAL, Status


@dataclass(frozen=True, slots=True)
class Promise:
    """A task that the API said is recorded; `at_s` is when, in seconds of the epoch."""

    key: str
    task_id: int
    kind: str
    at_s: float


@dataclass(frozen=True, slots=True)
class AttemptSeen:
    """A row of `attempts`; times are in seconds of the epoch. `outcome` is None while it runs."""

    number: int
    outcome: str | None
    worker: str
    started_s: float
    ended_s: float | None


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """A task as it is found at the end; `attempt` is the number of its newest attempt.

    `runs` is how many runs of its handler left a trace, None where its kind leaves none.
    """

    task_id: int
    status: Status
    attempt: int
    attempts: Sequence[AttemptSeen]
    runs: int | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class Recovery:
    """What followed a kill: from when it was to when the next attempt began, or the task was given up."""

    began_s: float
    ended_s: float

    @property
    def took_s(self) -> float:
        """How long it took, in seconds."""
        return self.ended_s - self.began_s


@dataclass(frozen=True, slots=True)
class Kill:
    """A worker that was killed or stopped: its name, and when, in seconds of the epoch."""

    worker: str
    at_s: float
