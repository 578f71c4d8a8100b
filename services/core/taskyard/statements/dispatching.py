"""Statements of the dispatcher's way from the record to the buffer, and of its leadership."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from taskyard.database import Cursor
from taskyard.prepared import Prepared, looked_up

_LEAD_CLASS: Final = 7235

READY_ANEW: Final = """
    ON CONFLICT (task_id) DO UPDATE
   SET run_at = excluded.run_at, attempt = excluded.attempt, priority = excluded.priority, queue = excluded.queue,
       kind = excluded.kind, dispatched_at = NULL
"""
"""How a row that is in `ready` already gives way to an inserted one: changed, not replaced. A claim that waits for this
takes away the row that it saw, as it then is, and would miss a new one."""

# A row that should not be in ready must not keep all other tasks from becoming due.
_PROMOTE: Final = f"""
    WITH due AS (
        SELECT id, status FROM tasks
         WHERE status IN ('scheduled', 'retrying') AND run_at <= now()
           AND (%(among)s::bigint[] IS NULL OR id = ANY(%(among)s::bigint[]))
         ORDER BY run_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
    ), queued AS (
        UPDATE tasks SET status = 'queued', queued_at = greatest(tasks.run_at, tasks.created_at, tasks.started_at)
          FROM due WHERE {looked_up("tasks.id", "due.id")}
     RETURNING tasks.id, run_at, attempt, priority, queue, kind, due.status AS source
    ), waiting AS (
        INSERT INTO ready (task_id, run_at, attempt, priority, queue, kind)
        SELECT id, run_at, attempt + 1, priority, queue, kind FROM queued
        {READY_ANEW}
    ), moved AS (
        INSERT INTO moves (queue, source, target, tasks)
        SELECT queue, source, 'queued', count(*) FROM queued GROUP BY queue, source
    )
    SELECT count(*) FROM queued
"""

_NEXT_DUE: Final = """
    SELECT extract(epoch FROM min(run_at) - now())::double precision
      FROM tasks WHERE status IN ('scheduled', 'retrying')
"""

_PICK: Final = """
    WITH room AS MATERIALIZED (
        SELECT CASE WHEN paused THEN 0
                    ELSE least(%(limit)s, greatest(0, coalesce(dispatch_window, %(window)s) - (
                         SELECT count(*) FROM ready WHERE queue = %(queue)s AND dispatched_at IS NOT NULL)))
                END AS tasks
          FROM queues WHERE name = %(queue)s
    )
    SELECT (SELECT tasks FROM room), task_id, attempt, kind, priority,
           extract(epoch FROM now() - run_at)::double precision
      FROM ready
     WHERE queue = %(queue)s AND dispatched_at IS NULL
     ORDER BY priority DESC, run_at, task_id
     LIMIT (SELECT tasks FROM room)
"""
_pick: Final = Prepared("pick", _PICK, "queue", "window", "limit")

_MARK: Final = f"""
    UPDATE ready SET dispatched_at = now(), message = sent.message
      FROM unnest(%(task_ids)s::bigint[], %(attempts)s::integer[], %(messages)s::bigint[])
           AS sent (task_id, attempt, message)
     WHERE {looked_up("ready.task_id", "sent.task_id")} AND ready.attempt = sent.attempt AND queue = %(queue)s
 RETURNING set_config('synchronous_commit', 'off', true)
"""
_mark: Final = Prepared("mark", _MARK, "task_ids", "attempts", "messages", "queue")


@dataclass(frozen=True, slots=True)
class ReadyTask:
    """A task that is due. `attempt` is the number that its attempt will have; `age_s` is how long it is due."""

    task_id: int
    attempt: int
    kind: str
    priority: int
    age_s: float


Bundle = tuple[ReadyTask, ...]
"""Tasks that one message carries: at least one, all of one kind and priority."""


@dataclass(frozen=True, slots=True)
class Picked:
    """Tasks to publish next, and whether they are all that wait."""

    tasks: list[ReadyTask]
    are_all: bool


def lead(cursor: Cursor, word: str) -> bool:
    """Try to become the leader for `word`, such as a queue's name; held until the connection ends."""
    cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LEAD_CLASS, _lock_key(word)))
    return bool(_one(cursor))


def promote(cursor: Cursor, limit: int, among: Sequence[int] | None = None) -> int:
    """Queue up to `limit` scheduled or retrying tasks that are due, of those `among`, or of all; return how many.

    Locks their rows; those that somebody else holds are passed over.
    """
    cursor.execute(_PROMOTE, {"limit": limit, "among": None if among is None else list(among)})
    return int(_one(cursor))


def next_due_s(cursor: Cursor) -> float | None:
    """Return in how many seconds the next scheduled or retrying task is due; None where there is none."""
    cursor.execute(_NEXT_DUE)
    value = _one(cursor)
    return None if value is None else float(value)


def pick(cursor: Cursor, queue: str, window: int, limit: int) -> Picked:
    """Return up to `limit` tasks to publish next, by priority then age, so that at most `window` are in RabbitMQ.

    A window of the queue's own comes first; a paused queue has nothing to publish.
    Locks nothing: a task claimed or changed meanwhile makes its message one that claims nothing.
    """
    _pick.execute(cursor, {"queue": queue, "window": window, "limit": limit})
    rows = cursor.fetchall()
    return Picked([ReadyTask(*row[1:]) for row in rows], are_all=not rows or len(rows) < rows[0][0])


def mark_dispatched(cursor: Cursor, queue: str, bundles: Sequence[Bundle]) -> None:
    """Note that RabbitMQ confirmed the messages of `bundles`. Locks their rows in `ready`; waits for no disk.

    Those claimed already have no row any more, and that is right.
    """
    sent = [(task, bundle[0].task_id) for bundle in bundles for task in bundle]
    _mark.execute(
        cursor,
        {
            "queue": queue,
            "task_ids": [task.task_id for task, _ in sent],
            "attempts": [task.attempt for task, _ in sent],
            "messages": [message for _, message in sent],
        },
    )


def _lock_key(word: str) -> int:
    """A signed 32-bit number for `word`; two words of one number would only share their leader."""
    return int.from_bytes(zlib.crc32(word.encode()).to_bytes(4, "big"), "big", signed=True)


def _one(cursor: Cursor) -> Any:
    row = cursor.fetchone()
    return row[0] if row else None
