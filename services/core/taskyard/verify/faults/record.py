"""The record as the harness reads it at the end: by SQL, past the API, and without believing any counter."""

from collections.abc import Sequence
from typing import Any, Final

from taskyard.database import Cursor
from taskyard.statements import queues
from taskyard.states import FINAL, Status
from taskyard.verify.facts import AttemptSeen, TaskSeen

_TASKS: Final = """
    SELECT id, kind, status, attempt, (
           SELECT count(*) FROM verify_writes WHERE task_id = tasks.id) AS runs, (
           SELECT jsonb_agg(jsonb_build_array(attempts.attempt, outcome, worker,
                                              extract(epoch FROM attempts.started_at), extract(epoch FROM ended_at))
                            ORDER BY attempts.attempt)
             FROM attempts WHERE task_id = tasks.id) AS attempts
      FROM tasks
     ORDER BY id
"""

_UNFINISHED: Final = "SELECT status, count(*) FROM tasks WHERE NOT status = ANY(%s) GROUP BY status"

_RECOUNTED: Final = "SELECT queue, status, count(*) FROM tasks GROUP BY queue, status"

_WRITTEN_TWICE: Final = """
    SELECT task_id, attempt FROM verify_writes GROUP BY task_id, attempt HAVING count(*) > 1 ORDER BY 1, 2
"""

_SUCCEEDED_UNWRITTEN: Final = """
    SELECT task_id, attempts.attempt FROM attempts JOIN tasks ON id = task_id
     WHERE kind = 'verify.write' AND outcome = 'succeeded'
       AND NOT EXISTS (SELECT FROM verify_writes AS written
                        WHERE written.task_id = attempts.task_id AND written.attempt = attempts.attempt)
     ORDER BY 1, 2
"""

_ORPHANS: Final = """
    SELECT task_id FROM attempts WHERE NOT EXISTS (SELECT FROM tasks WHERE id = task_id) ORDER BY 1
"""

_CONNECTIONS: Final = """
    SELECT application_name FROM pg_stat_activity
     WHERE application_name LIKE 'taskyard%' AND datname = current_database()
"""


def tasks(cursor: Cursor) -> list[TaskSeen]:
    """Return every task with its attempts."""
    cursor.execute(_TASKS)
    return [
        TaskSeen(id_, Status(status), attempt, _attempts(rows or []), runs if kind == "verify.write" else None)
        for id_, kind, status, attempt, runs, rows in cursor.fetchall()
    ]


def _attempts(rows: Sequence[Sequence[Any]]) -> list[AttemptSeen]:
    return [
        AttemptSeen(number, outcome, worker, started_s, ended_s) for number, outcome, worker, started_s, ended_s in rows
    ]


def unfinished(cursor: Cursor) -> dict[str, int]:
    """Return how many tasks are in each status that is no end."""
    cursor.execute(_UNFINISHED, (sorted(FINAL),))
    return dict(cursor.fetchall())


def connections(cursor: Cursor) -> list[str]:
    """Return the application of each connection of a part."""
    cursor.execute(_CONNECTIONS)
    return [name for (name,) in cursor.fetchall()]


def faults(cursor: Cursor) -> dict[str, list[Any]]:
    """Return what is wrong with the record as a whole, by what it is; nothing where all is well.

    Needs a transaction that sees one state of the tables.
    """
    checks = {
        "a row of verify_writes twice for one attempt": _WRITTEN_TWICE,
        "an attempt of verify.write succeeded, and wrote nothing": _SUCCEEDED_UNWRITTEN,
        "attempts of no task": _ORPHANS,
        "rows left in ready": "SELECT task_id FROM ready ORDER BY 1",
    }
    found: dict[str, list[Any]] = {}
    for what, statement in checks.items():
        cursor.execute(statement)
        if rows := cursor.fetchall():
            found[what] = rows
    counted = {key: count for key, count in queues.counts(cursor).items() if count}
    cursor.execute(_RECOUNTED)
    recounted = {(queue, Status(status)): count for queue, status, count in cursor.fetchall()}
    if counted != recounted:
        found["counters that differ from a full count"] = [f"{counted} is {recounted}"]
    return found
