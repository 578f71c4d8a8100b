"""Statements of the canaries that write: what really ran, apart from the record."""

from typing import Final

from taskyard.database import Cursor
from taskyard.statements.claims import Held

_WRITE: Final = """
    WITH written AS (
        INSERT INTO verify_writes (task_id, attempt, worker) VALUES (%(task_id)s, %(attempt)s, %(worker)s)
     RETURNING task_id
    )
    SELECT 1 + (SELECT count(*) FROM verify_writes WHERE task_id = %(task_id)s) FROM written
"""


def write(cursor: Cursor, held: Held, worker: str) -> int:
    """Note, durably, that a handler runs for `held`; return how many runs its task has had, this one included."""
    cursor.execute(_WRITE, {"task_id": held.task_id, "attempt": held.attempt, "worker": worker})
    return int((cursor.fetchone() or (0,))[0])
