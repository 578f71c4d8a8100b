"""Statements that put right what a crash left behind: expired leases, and messages that RabbitMQ lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from taskyard.database import Cursor
from taskyard.outcomes import Budget
from taskyard.statements import ends
from taskyard.statements.claims import Held
from taskyard.states import Reason

_EXPIRED: Final = """
    SELECT id, attempt, queue, kind, worker, uncounted_attempts, max_attempts, losses, cancel_requested_at IS NOT NULL
      FROM tasks
     WHERE status = 'running' AND lease_until < now()
       AND (%(among)s::bigint[] IS NULL OR id = ANY(%(among)s::bigint[]))
     ORDER BY lease_until LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
"""

_SETTLED: Final = """
    SELECT count(DISTINCT coalesce(message, task_id)) FROM ready
     WHERE queue = %(queue)s AND dispatched_at < now() - make_interval(secs => %(settled_s)s)
"""

_TAKE_BACK: Final = """
    UPDATE ready SET dispatched_at = NULL
     WHERE queue = %(queue)s AND dispatched_at < now() - make_interval(secs => %(settled_s)s)
"""

_FAIL: Final = f"""
    WITH failed AS (
        UPDATE tasks
           SET status = 'failed', reason = %(reason)s, finished_at = now(), result = NULL,
               error_type = 'DeadLettered', error_message = %(message)s
         WHERE id = %(task_id)s AND attempt = %(attempt)s - 1 AND status = 'queued'
     RETURNING id, attempt, created_at, run_at, finished_at, queue, kind, status
    ), gone AS (
        DELETE FROM ready USING failed WHERE task_id = failed.id
    ), moved AS (
        INSERT INTO moves (queue, source, target, tasks, {ends.COLUMNS})
        SELECT queue, 'queued', 'failed', 1, {ends.FACTS} FROM failed
    )
    SELECT queue FROM failed
"""


@dataclass(frozen=True, slots=True)
class Expired:
    """A running attempt whose lease ran out."""

    held: Held
    queue: str
    kind: str
    worker: str
    budget: Budget
    cancel_requested: bool


def expired(cursor: Cursor, max_losses: int, limit: int, among: Sequence[int] | None = None) -> list[Expired]:
    """Return running attempts whose lease ran out, oldest first: of the tasks `among`, or of all.

    Needs a transaction: their rows stay locked until its end, so that it can finish them; locked ones are passed over.
    """
    cursor.execute(_EXPIRED, {"limit": limit, "among": None if among is None else list(among)})
    return [
        Expired(
            Held(id_, attempt),
            queue,
            kind,
            worker,
            Budget(attempt - uncounted, max_attempts, losses, max_losses),
            asked,
        )
        for id_, attempt, queue, kind, worker, uncounted, max_attempts, losses, asked in cursor.fetchall()
    ]


def settled(cursor: Cursor, queue: str, settled_s: float) -> int:
    """Return in how many messages the tasks of `queue` are that were marked over `settled_s` ago. Locks nothing."""
    cursor.execute(_SETTLED, {"queue": queue, "settled_s": settled_s})
    return int((cursor.fetchone() or (0,))[0])


def take_back(cursor: Cursor, queue: str, settled_s: float = 0.0) -> int:
    """Unmark the tasks of `queue` dispatched more than `settled_s` ago, so that they are published again.

    Returns how many. Locks their rows in `ready`. A message that is still there after all will claim nothing.
    """
    cursor.execute(_TAKE_BACK, {"queue": queue, "settled_s": settled_s})
    return cursor.rowcount


def fail_undelivered(cursor: Cursor, held: Held, reason: Reason, message: str) -> str | None:
    """End the queued task whose message for the attempt `held` was dead-lettered; return its queue.

    None where it did not wait for that message any more. Needs a transaction: it locks the task's row first, so that it
    then sees `ready` as the last change of the task left it.
    """
    cursor.execute("SELECT FROM tasks WHERE id = %s FOR NO KEY UPDATE", (held.task_id,))
    cursor.execute(_FAIL, {"task_id": held.task_id, "attempt": held.attempt, "reason": reason, "message": message})
    row = cursor.fetchone()
    return row[0] if row else None
