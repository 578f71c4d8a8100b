"""The statements that take tasks for attempts, and hold them.

The attempt number is the fencing token. Whoever holds (task, attempt) of a running task may finish it; a worker that
was thought dead and comes back holds an old number, changes no row, and learns so from the missing answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from taskyard.database import Cursor
from taskyard.outcomes import Budget
from taskyard.prepared import Prepared, looked_up
from taskyard.statements import ends

STATUS: Final = "tasks.status || ''"
"""The status of tasks that are found by their ids, in a form that no index has.

By the index on the status PostgreSQL would go through all that were running since the last vacuum, to find a few.
"""

# Runs before a claim: a statement that waits for a task takes it as it then is, but sees `ready` as it was before, and
# would leave a row there that came meanwhile. One by one in the order asked for, so that two claims do not wait
# crosswise, and each by its key.
# A claim that a crash of PostgreSQL forgets puts the task back where it was: queued, and found again. So it need not
# wait for the disk.
_AWAIT: Final = """
    SELECT set_config('synchronous_commit', 'off', true), count(*)
      FROM unnest(%(task_ids)s::bigint[]) AS asked (task_id),
           LATERAL (SELECT FROM tasks WHERE id = asked.task_id FOR NO KEY UPDATE) AS held
"""
_await: Final = Prepared("await_tasks", _AWAIT, "task_ids")

_CLAIM: Final = f"""
    WITH taken AS (
        UPDATE tasks
           SET status = 'running', attempt = tasks.attempt + 1, worker = %(worker)s, started_at = now(),
               lease_until = now() + make_interval(secs => %(lease_s)s), progress = NULL, progress_note = NULL
          FROM unnest(%(task_ids)s::bigint[], %(attempts)s::integer[]) AS asked (task_id, attempt)
         WHERE {looked_up("id", "asked.task_id")} AND tasks.attempt = asked.attempt - 1
           AND queue = %(queue)s AND {STATUS} = 'queued'
           AND NOT EXISTS (SELECT FROM queues WHERE name = %(queue)s AND paused)
     RETURNING tasks.*
    ), gone AS (
        DELETE FROM ready USING taken WHERE {looked_up("task_id", "taken.id")}
    ), moved AS (
        INSERT INTO moves (queue, source, target, tasks)
        SELECT %(queue)s, 'queued', 'running', count(*) FROM taken HAVING count(*) > 0
    )
    SELECT id, attempt, kind, name, tags, payload, created_at, timeout_s, max_attempts, uncounted_attempts, losses,
           extract(epoch FROM started_at - queued_at)::double precision
      FROM taken
"""
_claim: Final = Prepared("claim", _CLAIM, "task_ids", "attempts", "queue", "worker", "lease_s")

# The number of an attempt that never began is free again: nobody holds it any more who could use it.
_GIVE_BACK: Final = f"""
    WITH back AS (
        UPDATE tasks
           SET status = CASE WHEN cancel_requested_at IS NULL THEN 'retrying' ELSE 'cancelled' END,
               reason = CASE WHEN cancel_requested_at IS NULL THEN reason ELSE 'cancelled' END,
               finished_at = CASE WHEN cancel_requested_at IS NOT NULL THEN clock_timestamp() END,
               attempt = tasks.attempt - 1, worker = NULL, started_at = NULL, lease_until = NULL
          FROM unnest(%(task_ids)s::bigint[], %(attempts)s::integer[]) AS held (task_id, attempt)
         WHERE {looked_up("id", "held.task_id")} AND tasks.attempt = held.attempt
           AND {STATUS} = 'running' AND worker = %(worker)s
     RETURNING id, tasks.attempt, created_at, run_at, finished_at, queue, kind, status
    ), moved AS (
        INSERT INTO moves (queue, source, target, tasks, {ends.COLUMNS})
        SELECT queue, 'running', status, 1, {ends.FACTS} FROM back
    )
    SELECT count(*) FROM back
"""

_RENEW: Final = f"""
    UPDATE tasks SET lease_until = now() + make_interval(secs => %(lease_s)s)
      FROM unnest(%(task_ids)s::bigint[], %(attempts)s::integer[]) AS held (task_id, attempt)
     WHERE {looked_up("id", "held.task_id")} AND tasks.attempt = held.attempt AND {STATUS} = 'running'
 RETURNING id, tasks.attempt, set_config('synchronous_commit', 'off', true)
"""
_renew: Final = Prepared("renew", _RENEW, "task_ids", "attempts", "lease_s")

_CANCELLATIONS: Final = f"""
    SELECT id, tasks.attempt
      FROM tasks JOIN unnest(%(task_ids)s::bigint[], %(attempts)s::integer[]) AS held (task_id, attempt)
        ON {looked_up("id", "held.task_id")} AND tasks.attempt = held.attempt
     WHERE {STATUS} = 'running' AND cancel_requested_at IS NOT NULL
"""
_cancellations: Final = Prepared("cancellations", _CANCELLATIONS, "task_ids", "attempts")

_PROGRESS: Final = """
    UPDATE tasks SET progress = %(progress)s, progress_note = %(note)s
     WHERE id = %(task_id)s AND attempt = %(attempt)s AND status = 'running'
 RETURNING set_config('synchronous_commit', 'off', true)
"""

_HELD: Final = """
    SELECT kind, queue, attempt, uncounted_attempts, max_attempts, losses, cancel_requested_at IS NOT NULL
      FROM tasks
     WHERE id = %(task_id)s AND attempt = %(attempt)s AND worker = %(worker)s AND status = 'running'
"""


@dataclass(frozen=True, slots=True)
class Held:
    """An attempt of a running task: the token without which nothing about it is changed."""

    task_id: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that is ours until its lease ends. `waited_s` is the time from being due to being claimed."""

    held: Held
    kind: str
    name: str
    tags: tuple[str, ...]
    payload: dict[str, Any]
    created_at: datetime
    timeout_s: float
    max_attempts: int
    uncounted_attempts: int
    losses: int
    waited_s: float

    def budget(self, max_losses: int) -> Budget:
        """Return what the task may still spend should this attempt fail."""
        return Budget(self.held.attempt - self.uncounted_attempts, self.max_attempts, self.losses, max_losses)


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A running task as those see it who end its attempt from outside."""

    kind: str
    queue: str
    budget: Budget
    cancel_requested: bool


def claim(cursor: Cursor, attempts: Sequence[Held], queue: str, worker: str, lease_s: float) -> list[Claim]:
    """Take the queued tasks for `attempts`, and out of `ready`; return those taken, in the order asked for.

    Locks their rows until commit; does not wait for the disk. Of one that is missing there is nothing to do: somebody
    else has it, it is over, it waits in another queue, or its queue is paused.
    """
    parameters = {**_arrays(attempts), "queue": queue, "worker": worker, "lease_s": lease_s}
    _claim.execute(cursor, parameters, after=_await)
    claims = [_claimed(*row) for row in cursor.fetchall()]
    taken = {claim.held: claim for claim in claims}
    return [taken[held] for held in dict.fromkeys(attempts) if held in taken]


def give_back(cursor: Cursor, attempts: Sequence[Held], worker: str) -> int:
    """Undo the claims of `attempts` that have not begun, and never will where they are now; return how many those were.

    Each task keeps its place in the line; one that somebody asked to cancel is cancelled. Locks their rows. Not to be
    repeated where its answer was lost: the number may be another attempt's by then. The lease runs out instead.
    """
    cursor.execute(_GIVE_BACK, {**_arrays(attempts), "worker": worker})
    return int((cursor.fetchone() or (0,))[0])


def renew(cursor: Cursor, attempts: Sequence[Held], lease_s: float) -> set[Held]:
    """Extend the leases of `attempts` by `lease_s` from now; return those that are still their tasks' own.

    Locks their rows; does not wait for the disk.
    """
    _renew.execute(cursor, {**_arrays(attempts), "lease_s": lease_s})
    return {Held(task_id, attempt) for task_id, attempt, _ in cursor.fetchall()}


def cancellations(cursor: Cursor, attempts: Sequence[Held]) -> set[Held]:
    """Return which of `attempts` somebody asked to cancel. Locks nothing."""
    _cancellations.execute(cursor, _arrays(attempts))
    return {Held(task_id, attempt) for task_id, attempt in cursor.fetchall()}


def report_progress(cursor: Cursor, held: Held, progress: float, note: str) -> bool:
    """Write how far the attempt is; return whether it is still the task's own. Does not wait for the disk."""
    cursor.execute(
        _PROGRESS, {"task_id": held.task_id, "attempt": held.attempt, "progress": progress, "note": note or None}
    )
    return cursor.fetchone() is not None


def running(cursor: Cursor, held: Held, worker: str, max_losses: int) -> RunningTask | None:
    """Return what the parent of a dead child needs to end its attempt; None where it is over, or another worker's.

    Locks nothing.
    """
    cursor.execute(_HELD, {"task_id": held.task_id, "attempt": held.attempt, "worker": worker})
    row = cursor.fetchone()
    if row is None:
        return None
    kind, queue, attempt, uncounted, max_attempts, losses, cancel_requested = row
    return RunningTask(kind, queue, Budget(attempt - uncounted, max_attempts, losses, max_losses), cancel_requested)


def _claimed(task_id: int, attempt: int, *facts: Any) -> Claim:
    kind, name, tags, payload, created_at, timeout_s, max_attempts, uncounted_attempts, losses, waited_s = facts
    return Claim(
        Held(task_id, attempt),
        kind,
        name,
        tuple(tags),
        payload,
        created_at,
        timeout_s,
        max_attempts,
        uncounted_attempts,
        losses,
        max(0.0, waited_s),
    )


def _arrays(attempts: Sequence[Held]) -> dict[str, Any]:
    """Return `attempts` as parameters, by task, so that two statements seldom wait for one another crosswise."""
    ordered = sorted(attempts, key=lambda held: held.task_id)
    return {"task_ids": [held.task_id for held in ordered], "attempts": [held.attempt for held in ordered]}
