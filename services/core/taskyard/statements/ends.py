"""What the ledger of moves says of a task that ended, for those who measure: in SQL, and as `fold` returns it.

Waiting that was asked for is no part of a task's time: a delay or a date does not count, as far as the row still tells
it. After another attempt `run_at` is that attempt's, and the time counts from when the task was submitted.
"""

from dataclasses import dataclass
from typing import Final

from taskyard.states import Status

COLUMNS: Final = "kind, attempts, end_to_end_s"
"""Columns of `moves`."""

FACTS: Final = """
    kind, attempt,
    extract(epoch FROM finished_at - CASE WHEN attempt > 1 THEN created_at ELSE greatest(created_at, run_at) END)
"""
"""Their values, from a row of `tasks` as its move left it. What they mean where it is no end is for `fold` to know: the
more of it was said here, the longer each task would take."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Tasks that ended alike: how many there are, and how long they took, altogether.

    `span` is the place of the time that each took among the bounds that `fold` was given: 0 where it was at most the
    first, 1 where it was at most the second; as many as there are bounds where it was longer than all. Cancelled tasks
    have neither a span nor a number of attempts.
    """

    kind: str
    queue: str
    outcome: Status
    attempts: int | None
    span: int | None
    tasks: int
    end_to_end_s: float
