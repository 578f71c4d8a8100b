"""How long an attempt may run: as long as its task says, and no longer than its worker allows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """A time limit of one attempt, in seconds, and whether it is the worker's own rather than the task's."""

    seconds: float
    of_worker: bool = False

    def __str__(self) -> str:
        """Say in an error message which limit it was."""
        if self.of_worker:
            return f"the limit of {self.seconds:g} s that its worker sets all tasks (TASKYARD_MAX_TASK_S)"
        return f"its limit of {self.seconds:g} s"


def limit(timeout_s: float, max_task_s: float) -> Limit:
    """Return the smaller of the task's `timeout_s` and the worker's `max_task_s`, where that is not 0."""
    if 0 < max_task_s < timeout_s:
        return Limit(max_task_s, of_worker=True)
    return Limit(timeout_s)
