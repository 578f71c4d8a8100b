"""Statements that forget: finished tasks past their time go, in small batches."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from taskyard.database import Cursor

_PRUNE: Final = """
    WITH examined AS (
        SELECT id, created_at, finished_at FROM tasks
         WHERE (created_at, id) > (%(created_at)s, %(id)s)
           AND created_at < now() - make_interval(secs => %(retention_s)s)
         ORDER BY created_at, id LIMIT %(limit)s
    ), deleted AS (
        DELETE FROM tasks USING examined
         WHERE tasks.id = examined.id AND tasks.status IN ('succeeded', 'failed', 'cancelled')
           AND tasks.finished_at < now() - make_interval(secs => %(retention_s)s)
     RETURNING tasks.id, tasks.queue, tasks.status
    ), without_attempts AS (
        DELETE FROM attempts USING deleted WHERE task_id = deleted.id
    ), moved AS (
        INSERT INTO moves (queue, source, target, tasks)
        SELECT queue, status, NULL, count(*) FROM deleted GROUP BY queue, status
    )
    SELECT (SELECT count(*) FROM deleted), (SELECT count(*) FROM examined),
           (SELECT created_at FROM examined ORDER BY created_at DESC, id DESC LIMIT 1),
           (SELECT id FROM examined ORDER BY created_at DESC, id DESC LIMIT 1)
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a pass has come: the last task examined."""

    created_at: datetime
    id: int


def prune(cursor: Cursor, after: Mark, retention_s: float, limit: int) -> tuple[int, Mark | None]:
    """Delete finished tasks older than `retention_s` among the next `limit` ones after the mark, with their attempts.

    Returns how many, and the mark to go on from; None where the pass is through. Locks what it deletes.
    """
    cursor.execute(_PRUNE, {"created_at": after.created_at, "id": after.id, "retention_s": retention_s, "limit": limit})
    deleted, examined, created_at, id_ = cursor.fetchone() or (0, 0, None, None)
    return int(deleted), Mark(created_at, id_) if examined == limit else None
