"""Statements by which people change tasks: edit, cancel, retry, delete.

Each change is one transaction: `lock`, then a decision in Python, then the statement that fits. What `lock` returned
holds until the end of the transaction.
"""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from taskyard.database import Cursor
from taskyard.statements.dispatching import READY_ANEW
from taskyard.states import WAITING, Status

_EDITABLE: Final = {
    column: f"{column} = %({column})s"
    for column in ("name", "tags", "payload", "priority", "queue", "run_at", "max_attempts", "timeout_s")
} | {"delay_s": "run_at = now() + make_interval(secs => %(delay_s)s)"}

_QUEUE: Final = f"""
    INSERT INTO ready (task_id, run_at, attempt, priority, queue, kind)
    SELECT id, run_at, attempt + 1, priority, queue, kind FROM tasks WHERE id = %(task_id)s AND status = 'queued'
    {READY_ANEW}
"""

_MOVED: Final = "INSERT INTO moves (queue, source, target, tasks) VALUES (%s, %s, %s, %s)"
_ENDED: Final = "INSERT INTO moves (queue, source, target, tasks, kind) VALUES (%s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Locked:
    """What a change of a task is decided on."""

    id: int
    kind: str
    queue: str
    status: Status
    attempt: int


def lock(cursor: Cursor, task_id: int) -> Locked | None:
    """Lock the task's row until the end of the transaction and return it; None where there is none."""
    cursor.execute("SELECT id, kind, queue, status, attempt FROM tasks WHERE id = %s FOR UPDATE", (task_id,))
    row = cursor.fetchone()
    if row is None:
        return None
    id_, kind, queue, status, attempt = row
    return Locked(id_, kind, queue, Status(status), attempt)


def edit(cursor: Cursor, task: Locked, changes: dict[str, Any]) -> None:
    """Set the columns in `changes` of a locked task, and put it where it then belongs; `delay_s` counts from now.

    The row of a queued task in `ready` gets what is new, and is published again; one whose `run_at` is now in the
    future becomes scheduled and leaves `ready`, one whose `run_at` has come becomes queued. A message of it that is in
    RabbitMQ meanwhile claims the task as it is now, or nothing.
    """
    if unknown := changes.keys() - _EDITABLE.keys():
        raise ValueError(f"not editable: {sorted(unknown)}")
    values = {**changes, "task_id": task.id}
    if "payload" in changes:
        values["payload"] = orjson.dumps(changes["payload"]).decode()
    assignments = ", ".join(_EDITABLE[change] for change in changes)
    cursor.execute(f"UPDATE tasks SET {assignments} WHERE id = %(task_id)s RETURNING queue", values)
    row = cursor.fetchone()
    if task.status not in WAITING or not changes.keys() & {"priority", "queue", "run_at", "delay_s"}:
        return
    _place(cursor, task, queue=row[0] if row else task.queue)


def _place(cursor: Cursor, task: Locked, queue: str) -> None:
    """Put a waiting task whose facts changed where it belongs, and tell the counters."""
    cursor.execute(
        """
        UPDATE tasks
           SET status = CASE WHEN run_at <= now() THEN 'queued' WHEN status = 'queued' THEN 'scheduled' ELSE status END,
               queued_at = CASE WHEN run_at > now() THEN NULL WHEN status = 'queued' THEN queued_at ELSE now() END
         WHERE id = %s AND status = ANY(%s)
     RETURNING status
        """,
        (task.id, sorted(WAITING)),
    )
    row = cursor.fetchone()
    target = Status(row[0]) if row else task.status
    if target is Status.QUEUED:
        cursor.execute(_QUEUE, {"task_id": task.id})
    else:
        cursor.execute("DELETE FROM ready WHERE task_id = %s", (task.id,))
    if queue != task.queue:
        cursor.execute(_MOVED, (task.queue, task.status, None, 1))
        cursor.execute(_MOVED, (queue, None, target, 1))
    elif target is not task.status:
        cursor.execute(_MOVED, (queue, task.status, target, 1))


def cancel_waiting(cursor: Cursor, task: Locked) -> None:
    """End a locked task that waits."""
    cursor.execute(
        """
        UPDATE tasks SET status = 'cancelled', reason = 'cancelled', cancel_requested_at = now(), finished_at = now()
         WHERE id = %s AND status = ANY(%s)
        """,
        (task.id, sorted(WAITING)),
    )
    cursor.execute("DELETE FROM ready WHERE task_id = %s", (task.id,))
    cursor.execute(_ENDED, (task.queue, task.status, Status.CANCELLED, 1, task.kind))


def request_cancellation(cursor: Cursor, task: Locked) -> None:
    """Ask the worker of a locked running task to cancel it; asking again changes nothing."""
    cursor.execute(
        """
        UPDATE tasks SET cancel_requested_at = coalesce(cancel_requested_at, now())
         WHERE id = %s AND status = 'running'
        """,
        (task.id,),
    )


def retry(cursor: Cursor, task: Locked) -> None:
    """Queue a locked task that failed or was cancelled once more, with its full budget of attempts."""
    cursor.execute(
        """
        UPDATE tasks
           SET status = 'queued', reason = NULL, run_at = now(), queued_at = now(), finished_at = NULL, result = NULL,
               cancel_requested_at = NULL, progress = NULL, progress_note = NULL, error_type = NULL,
               error_message = NULL, losses = 0, uncounted_attempts = attempt
         WHERE id = %s AND status IN ('failed', 'cancelled')
        """,
        (task.id,),
    )
    cursor.execute(_QUEUE, {"task_id": task.id})
    cursor.execute(_MOVED, (task.queue, task.status, Status.QUEUED, 1))


def delete(cursor: Cursor, task: Locked) -> None:
    """Delete a locked task that does not run, with its attempts."""
    cursor.execute("DELETE FROM tasks WHERE id = %s AND status <> 'running'", (task.id,))
    cursor.execute("DELETE FROM ready WHERE task_id = %s", (task.id,))
    cursor.execute("DELETE FROM attempts WHERE task_id = %s", (task.id,))
    cursor.execute(_MOVED, (task.queue, task.status, None, 1))
