"""Statements about queues: their settings, and how many tasks are where.

Counters are kept on the move, without a row that all writers share: each change of status adds a row to `moves`, and
`fold` adds those rows up into `counters` from time to time. Both together are exact at any moment. The same rows tell
`fold` which tasks ended since the last time, each of them once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from taskyard.database import Cursor
from taskyard.statements.ends import Ends
from taskyard.states import Status

_FOLD: Final = """
    WITH taken AS (
        DELETE FROM moves RETURNING queue, source, target, tasks, kind, attempts, end_to_end_s
    ), changes AS (
        SELECT queue, status, sum(tasks) AS tasks
          FROM (SELECT queue, source AS status, -tasks AS tasks FROM taken WHERE source IS NOT NULL
                 UNION ALL
                SELECT queue, target, tasks FROM taken WHERE target IS NOT NULL) AS sides
         GROUP BY queue, status ORDER BY queue, status
    ), folded AS (
        INSERT INTO counters (queue, status, tasks) SELECT queue, status, tasks FROM changes
            ON CONFLICT (queue, status) DO UPDATE SET tasks = counters.tasks + excluded.tasks
    ), facts AS (
        SELECT kind, queue, target, tasks,
               CASE WHEN target <> 'cancelled' THEN attempts END AS attempts,
               CASE WHEN target <> 'cancelled' THEN greatest(0, end_to_end_s) END AS end_to_end_s
          FROM taken WHERE kind IS NOT NULL AND target IN ('succeeded', 'failed', 'cancelled')
    ), ended AS (
        SELECT kind, queue, target, attempts,
               %(bounds)s - width_bucket(-end_to_end_s, %(longest_first_s)s::double precision[]) AS span,
               sum(tasks) AS tasks, coalesce(sum(end_to_end_s), 0) AS end_to_end_s
          FROM facts
         GROUP BY kind, queue, target, attempts, span
    ), all_of_them AS (
        SELECT count(*) AS moves, set_config('synchronous_commit', 'off', true) FROM taken
    )
    SELECT moves, kind, queue, target, attempts, span, tasks, end_to_end_s FROM all_of_them LEFT JOIN ended ON true
"""

COUNTS: Final = """
    SELECT queue, status, sum(tasks)::bigint AS tasks
      FROM (SELECT queue, status, tasks FROM counters
             UNION ALL
            SELECT queue, source, -tasks FROM moves WHERE source IS NOT NULL
             UNION ALL
            SELECT queue, target, tasks FROM moves WHERE target IS NOT NULL) AS all_of_them
     GROUP BY queue, status
"""
"""The counters as they are at this moment: `queue`, `status`, `tasks`."""

# The oldest by priority is one probe of ready_waiting_ix each; the dispatched are few by design.
_OLDEST: Final = """
    SELECT queues.name, queues.paused, queues.dispatch_window, queues.created_at, (
           SELECT extract(epoch FROM now() - min(run_at))::double precision
             FROM (SELECT (SELECT run_at FROM ready
                            WHERE queue = queues.name AND priority = level AND dispatched_at IS NULL
                            ORDER BY run_at, task_id LIMIT 1) AS run_at
                     FROM generate_series(0, 9) AS level
                    UNION ALL
                   SELECT min(run_at) FROM ready WHERE queue = queues.name AND dispatched_at IS NOT NULL) AS oldest)
      FROM queues
"""

_OLDEST_RUNNING: Final = """
    SELECT queue, extract(epoch FROM now() - min(started_at))::double precision
      FROM tasks WHERE status = 'running' GROUP BY queue
"""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue with its counters. `oldest_waiting_s` is the age of the oldest task that is due, None where none is."""

    name: str
    paused: bool
    dispatch_window: int | None
    created_at: datetime
    oldest_waiting_s: float | None
    tasks: dict[str, int]


@dataclass(frozen=True, slots=True)
class Folded:
    """What the ledger held: how many rows, and which of them were ends of tasks."""

    moves: int
    ends: list[Ends]


def fold(cursor: Cursor, bounds_s: Sequence[float] = ()) -> Folded:
    """Add the ledger's rows up into the counters, and take them away; return what they said.

    `bounds_s`, ascending, is what the spans of `Ends` refer to. Locks those rows and their counters.
    """
    longest_first_s = [-float(bound_s) for bound_s in reversed(bounds_s)]
    cursor.execute(_FOLD, {"bounds": len(bounds_s), "longest_first_s": longest_first_s})
    rows = cursor.fetchall()
    return Folded(
        rows[0][0],
        [
            Ends(kind, queue, Status(target), attempts, span, int(tasks), end_to_end_s)
            for _, kind, queue, target, attempts, span, tasks, end_to_end_s in rows
            if kind is not None
        ],
    )


def counts(cursor: Cursor) -> dict[tuple[str, Status], int]:
    """Return how many tasks each queue has in each status; those with none may be absent. Locks nothing."""
    cursor.execute(COUNTS)
    return {(queue, Status(status)): int(tasks) for queue, status, tasks in cursor.fetchall()}


def overview(cursor: Cursor, name: str | None = None) -> list[Queue]:
    """Return all queues, or the one named, by name. Locks nothing; counts nothing but the ledger's few rows."""
    counted = counts(cursor)
    cursor.execute(_OLDEST + (" WHERE name = %(name)s" if name is not None else "") + " ORDER BY name", {"name": name})
    return [
        Queue(
            queue,
            paused,
            window,
            created_at,
            None if oldest_s is None else max(0.0, oldest_s),
            {status.value: counted.get((queue, status), 0) for status in Status},
        )
        for queue, paused, window, created_at, oldest_s in cursor.fetchall()
    ]


def oldest_running(cursor: Cursor) -> dict[str, float]:
    """Return how many seconds the oldest running attempt of each queue runs; queues with none are absent.

    Locks nothing; reads the running tasks, of which there are no more than slots.
    """
    cursor.execute(_OLDEST_RUNNING)
    return {queue: max(0.0, age_s) for queue, age_s in cursor.fetchall()}


def names(cursor: Cursor) -> list[str]:
    """Return the names of all queues, sorted. Locks nothing."""
    cursor.execute("SELECT name FROM queues ORDER BY name")
    return [name for (name,) in cursor.fetchall()]


def announce(cursor: Cursor, queues: Iterable[str]) -> None:
    """Make sure that `queues` exist; changes nothing of those that do."""
    cursor.execute(
        "INSERT INTO queues (name) SELECT unnest(%s::text[]) ON CONFLICT (name) DO NOTHING", (sorted(set(queues)),)
    )


def set_paused(cursor: Cursor, name: str, *, paused: bool) -> None:
    """Pause or resume a queue.

    Its tasks leave RabbitMQ as far as the record goes: a message that is there still claims nothing while the queue is
    paused, and all are published again once it is resumed. Needs a transaction; locks the queue's row and its
    dispatched rows in `ready`.
    """
    cursor.execute("UPDATE queues SET paused = %s WHERE name = %s", (paused, name))
    cursor.execute("UPDATE ready SET dispatched_at = NULL WHERE queue = %s AND dispatched_at IS NOT NULL", (name,))


def set_dispatch_window(cursor: Cursor, name: str, window: int | None) -> None:
    """Set how many tasks of a queue may wait in RabbitMQ at once; None: the dispatcher's default."""
    cursor.execute("UPDATE queues SET dispatch_window = %s WHERE name = %s", (window, name))
