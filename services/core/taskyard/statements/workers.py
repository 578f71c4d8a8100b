"""Statements about workers, as the record knows them: by what they run."""

from typing import Final

from taskyard.database import Cursor

# What runs is found by the small index of leases, which holds nothing else.
_OLDEST: Final = """
    SELECT worker, extract(epoch FROM now() - min(started_at))::double precision
      FROM tasks
     WHERE status = 'running' AND lease_until IS NOT NULL
     GROUP BY worker
"""


def oldest_s(cursor: Cursor) -> dict[str, float]:
    """Return how many seconds ago the oldest attempt began that each busy worker runs, by its name. Locks nothing.

    One whose lease ran out counts until the dispatcher has ended it: its worker may be alive, and cut off.
    """
    cursor.execute(_OLDEST)
    return {worker: max(0.0, age_s) for worker, age_s in cursor.fetchall()}
