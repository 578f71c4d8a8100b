"""Statements about canaries: tasks that do nothing, sent through each queue to see that what is sent comes through.

A queue has at most one. Its idempotency key says so, whoever submits it, and finds it without a search; it has spaces,
so that no client can take it.
"""

from dataclasses import dataclass
from typing import Final

from taskyard.database import Cursor
from taskyard.statements import editing, submission
from taskyard.statements.submission import NewTask, Recorded
from taskyard.states import FINAL, Status

TAG: Final = "canary"

_KEY: Final = "the canary of "

# The LIMIT makes it a probe a queue, however many queues the planner expects: there is one task of a key.
_SIGHTED: Final = """
    SELECT name, paused, id, status, extract(epoch FROM now() - canary.created_at)::double precision,
           extract(epoch FROM finished_at)::double precision,
           extract(epoch FROM finished_at - canary.created_at)::double precision
      FROM queues LEFT JOIN LATERAL (
           SELECT id, status, created_at, finished_at FROM tasks
            WHERE idempotency_key = %(key)s || queues.name LIMIT 1) AS canary ON true
     ORDER BY name
"""


@dataclass(frozen=True, slots=True)
class End:
    """When a canary finished, in seconds of the epoch, and how long after its submission."""

    at_s: float
    took_s: float


@dataclass(frozen=True, slots=True)
class Canary:
    """The newest canary of a queue; `end` is None while it is on its way."""

    task_id: int
    status: Status
    age_s: float
    end: End | None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A queue, and its canary where it has one."""

    queue: str
    paused: bool
    canary: Canary | None


def sighted(cursor: Cursor) -> list[Sighting]:
    """Return all queues by name, with their canaries. Locks nothing; one probe of an index a queue."""
    cursor.execute(_SIGHTED, {"key": _KEY})
    return [
        Sighting(
            queue,
            paused,
            None if id_ is None else Canary(id_, Status(status), age_s, None if at_s is None else End(at_s, took_s)),
        )
        for queue, paused, id_, status, age_s, at_s, took_s in cursor.fetchall()
    ]


def send(cursor: Cursor, queue: str, last: Canary | None) -> int | None:
    """Submit a canary in the place of the `last` one; return its id, None where there is one already.

    Needs a transaction; locks the last one's row.
    """
    if last is not None:
        locked = editing.lock(cursor, last.task_id)
        if locked is not None and locked.status not in FINAL:
            return None
        if locked is not None:
            editing.delete(cursor, locked)
    [made] = submission.insert(cursor, [_canary(queue)])
    return made.id if isinstance(made, Recorded) else None


def _canary(queue: str) -> NewTask:
    return NewTask(
        name="canary",
        kind="sleep",
        queue=queue,
        priority=9,
        max_attempts=1,
        timeout_s=60.0,
        tags=(TAG,),
        payload={"seconds": 0},
        idempotency_key=_KEY + queue,
        request_hash="",
    )
