"""The statements that take a task for an attempt and give it back: the only ones that touch a lease.

The attempt number is the fencing token. Whoever holds (task, attempt) of a running task may finish it; a worker that
was thought dead and comes back holds an old number, changes no row, and learns so from the missing answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from taskyard.database import Cursor
from taskyard.outcomes import Budget, Cancelled, ErrorReport, Failed, Lost, Move, Outcome, Succeeded
from taskyard.statements import ends

# A claim that a crash of PostgreSQL forgets puts the task back where it was: queued, and found again. So it need not
# wait for the disk.
_CLAIM: Final = """
    WITH taken AS (
        UPDATE tasks
           SET status = 'running', attempt = attempt + 1, worker = %(worker)s, started_at = now(),
               lease_until = now() + make_interval(secs => %(lease_s)s), progress = NULL, progress_note = NULL
         WHERE id = %(task_id)s AND attempt = %(attempt)s - 1 AND queue = %(queue)s AND status = 'queued'
           AND NOT EXISTS (SELECT FROM queues WHERE name = %(queue)s AND paused)
     RETURNING *
    ), gone AS (
        DELETE FROM ready USING taken WHERE task_id = taken.id RETURNING task_id
    ), moved AS (
        INSERT INTO moves (queue, source, target, tasks) SELECT queue, 'queued', 'running', 1 FROM taken
    )
    SELECT id, attempt, kind, name, tags, payload, created_at, timeout_s, max_attempts, uncounted_attempts, losses,
           extract(epoch FROM started_at - queued_at)::double precision,
           set_config('synchronous_commit', 'off', true), EXISTS (SELECT FROM gone)
      FROM taken
"""

# A claim that waits for a task takes it as it then is, but sees `ready` as it was before. Where the row was replaced
# meanwhile, as by a cancellation and a retry, the new one is left; once its attempt has begun it is of no use any more.
_LEAVE_READY: Final = "DELETE FROM ready WHERE task_id = %(task_id)s AND attempt <= %(attempt)s"

# Who asked for a cancellation gets it, whatever would have come after a failed attempt.
_FINISH: Final = f"""
    WITH ended AS (
        UPDATE tasks
           SET status = CASE WHEN %(status)s = 'retrying' AND cancel_requested_at IS NOT NULL
                             THEN 'cancelled' ELSE %(status)s END,
               reason = CASE WHEN %(status)s = 'retrying' AND cancel_requested_at IS NOT NULL
                             THEN 'cancelled' ELSE %(reason)s END,
               finished_at = CASE WHEN %(status)s <> 'retrying' OR cancel_requested_at IS NOT NULL
                                  THEN clock_timestamp() END,
               run_at = coalesce(clock_timestamp() + make_interval(secs => %(due_in_s)s), run_at),
               progress = CASE WHEN %(status)s = 'succeeded' AND progress IS NOT NULL THEN 1 ELSE progress END,
               result = %(result)s, error_type = %(error_type)s, error_message = %(error_message)s,
               losses = losses + %(lost)s, uncounted_attempts = uncounted_attempts + %(lost)s, lease_until = NULL
         WHERE id = %(task_id)s AND attempt = %(attempt)s AND status = 'running'
     RETURNING id, attempt, created_at, run_at, started_at, finished_at, worker, queue, kind, status
    ), logged AS (
        INSERT INTO attempts (task_id, attempt, started_at, ended_at, outcome, reason, worker,
                              error_type, error_message, traceback)
        SELECT id, attempt, started_at, clock_timestamp(), %(outcome)s, %(reason)s, worker,
               %(error_type)s, %(error_message)s, %(traceback)s
          FROM ended
    ), moved AS (
        INSERT INTO moves (queue, source, target, tasks, {ends.COLUMNS})
        SELECT queue, 'running', status, 1, {ends.FACTS} FROM ended
    )
    SELECT status FROM ended
"""

_RENEW: Final = """
    UPDATE tasks SET lease_until = now() + make_interval(secs => %(lease_s)s)
      FROM unnest(%(task_ids)s::bigint[], %(attempts)s::integer[]) AS held (task_id, attempt)
     WHERE id = held.task_id AND tasks.attempt = held.attempt AND status = 'running'
 RETURNING id, tasks.attempt, set_config('synchronous_commit', 'off', true)
"""

_CANCELLATIONS: Final = """
    SELECT id, tasks.attempt
      FROM tasks JOIN unnest(%(task_ids)s::bigint[], %(attempts)s::integer[]) AS held (task_id, attempt)
        ON id = held.task_id AND tasks.attempt = held.attempt
     WHERE status = 'running' AND cancel_requested_at IS NOT NULL
"""

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

_OUTCOME_WORD: Final = {Succeeded: "succeeded", Failed: "failed", Cancelled: "cancelled", Lost: "lost"}


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


def claim(cursor: Cursor, held: Held, queue: str, worker: str, lease_s: float) -> Claim | None:
    """Take the queued task for the attempt `held`, and out of `ready`.

    Locks the task's row until commit; does not wait for the disk. Returns None where there is nothing to do but to
    acknowledge the message: somebody else has it, it is over, it waits in another queue, or its queue is paused.
    """
    cursor.execute(
        _CLAIM,
        {"task_id": held.task_id, "attempt": held.attempt, "queue": queue, "worker": worker, "lease_s": lease_s},
    )
    row = cursor.fetchone()
    if row is None:
        return None
    *facts, _, gone = row
    id_, attempt, kind, name, tags, payload, created_at, timeout_s, max_attempts, uncounted, losses, waited_s = facts
    if not gone:
        cursor.execute(_LEAVE_READY, {"task_id": id_, "attempt": attempt})
    return Claim(
        Held(id_, attempt),
        kind,
        name,
        tuple(tags),
        payload,
        created_at,
        timeout_s,
        max_attempts,
        uncounted,
        losses,
        max(0.0, waited_s),
    )


def finish(cursor: Cursor, held: Held, outcome: Outcome, move: Move) -> str | None:
    """Record how the attempt ended, durably, with its row in `attempts`; return the status that the task has now.

    That is `move.to`, or `cancelled` where another attempt was due but somebody asked for a cancellation. None where
    the attempt is no longer the task's own: the outcome came too late and is dropped. Locks the task's row.
    """
    error = None if isinstance(outcome, Succeeded | Cancelled) else outcome.error
    cursor.execute(
        _FINISH,
        {
            "task_id": held.task_id,
            "attempt": held.attempt,
            "status": move.to,
            "reason": move.reason,
            "due_in_s": move.due_in_s,
            "outcome": _OUTCOME_WORD[type(outcome)],
            "result": outcome.result if isinstance(outcome, Succeeded) else None,
            "lost": int(isinstance(outcome, Lost)),
            "error_type": error and error.type,
            "error_message": error and error.message,
            "traceback": error and error.traceback,
        },
    )
    row = cursor.fetchone()
    return row[0] if row else None


def renew(cursor: Cursor, attempts: Sequence[Held], lease_s: float) -> set[Held]:
    """Extend the leases of `attempts` by `lease_s` from now; return those that are still their tasks' own.

    Locks their rows; does not wait for the disk.
    """
    cursor.execute(_RENEW, {**_arrays(attempts), "lease_s": lease_s})
    return {Held(task_id, attempt) for task_id, attempt, _ in cursor.fetchall()}


def cancellations(cursor: Cursor, attempts: Sequence[Held]) -> set[Held]:
    """Return which of `attempts` somebody asked to cancel. Locks nothing."""
    cursor.execute(_CANCELLATIONS, _arrays(attempts))
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


def lost(message: str) -> Lost:
    """Return the outcome of an attempt whose worker died."""
    return Lost(ErrorReport("WorkerLost", message))


def _arrays(attempts: Sequence[Held]) -> dict[str, list[int]]:
    return {"task_ids": [held.task_id for held in attempts], "attempts": [held.attempt for held in attempts]}
