"""Statements about the passes of the consistency check, and what they found. None but the check writes these tables."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from taskyard.database import Cursor
from taskyard.statements import consistency
from taskyard.statements.consistency import Rule

KEPT_VIOLATIONS: Final = 1000
_KEPT_PASSES: Final = 100

# One that stands is one row, however often it is found.
_RECORD: Final = """
    INSERT INTO violations (rule, task_id, queue, detail) VALUES (%(rule)s, %(task_id)s, %(queue)s, %(detail)s)
        ON CONFLICT (rule, coalesce(task_id, 0), coalesce(queue, '')) WHERE mended_at IS NULL DO UPDATE
       SET seen_at = clock_timestamp(), detail = excluded.detail
 RETURNING id
"""

_FORGET: Final = """
    DELETE FROM violations WHERE id <= (SELECT id FROM violations ORDER BY id DESC OFFSET %(kept)s LIMIT 1)
"""

_SAVE: Final = """
    UPDATE passes SET examined = %(examined)s, violations = %(violations)s
     WHERE id = %(pass_id)s
 RETURNING set_config('synchronous_commit', 'off', true)
"""

_END: Final = """
    WITH ended AS (
        UPDATE passes
           SET ended_at = now(), examined = %(examined)s, violations = %(violations)s,
               counted_at = CASE WHEN %(counted)s THEN now() END
         WHERE id = %(pass_id)s
     RETURNING id, started_at, ended_at, counted_at, examined, violations
    ), gone AS (
        UPDATE violations SET mended_at = clock_timestamp() FROM ended
         WHERE mended_at IS NULL AND seen_at < ended.started_at
    ), forgotten AS (
        DELETE FROM passes WHERE id <= (SELECT id FROM passes ORDER BY id DESC OFFSET %(kept)s LIMIT 1)
    )
    SELECT * FROM ended
"""

_FACTS: Final = "SELECT id, started_at, ended_at, counted_at, examined, violations FROM passes"


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over the whole record: how many tasks it looked at, and how many violations it found.

    `ended_at` is None while it is on its way. `counted_at`: when the counters were compared with a full count; None:
    not yet, or not at all, for that took too long.
    """

    id: int
    started_at: datetime
    ended_at: datetime | None
    counted_at: datetime | None
    examined: int
    violations: int


@dataclass(frozen=True, slots=True)
class Violation:
    """A violation as it is recorded. `seen_at` is when it was last seen; `mended_at` is None while it stands."""

    id: int
    rule: Rule
    task_id: int | None
    queue: str | None
    detail: str
    found_at: datetime
    seen_at: datetime
    mended_at: datetime | None


def begin(cursor: Cursor) -> int:
    """Record that a pass begins; return its id."""
    cursor.execute("INSERT INTO passes DEFAULT VALUES RETURNING id")
    [pass_id] = cursor.fetchone() or (0,)
    return int(pass_id)


def save(cursor: Cursor, pass_id: int, examined: int, violations: int) -> None:
    """Record how far a pass is; does not wait for the disk."""
    cursor.execute(_SAVE, {"pass_id": pass_id, "examined": examined, "violations": violations})


def end(cursor: Cursor, pass_id: int, examined: int, violations: int, *, counted: bool) -> Pass | None:
    """Record that a pass ended, and return it; None where it was forgotten meanwhile.

    Violations that stood, and that it did not see any more, count as mended. The oldest passes are forgotten.
    """
    values = {"pass_id": pass_id, "examined": examined, "violations": violations, "counted": counted}
    cursor.execute(_END, {**values, "kept": _KEPT_PASSES})
    row = cursor.fetchone()
    return Pass(*row) if row else None


def record(cursor: Cursor, found: Sequence[consistency.Violation], mended: Collection[consistency.Violation]) -> None:
    """Record violations and which of them were `mended`; the oldest are forgotten. Needs a transaction."""
    for violation in found:
        facts = {"task_id": violation.task_id, "queue": violation.queue, "detail": violation.detail}
        cursor.execute(_RECORD, {"rule": violation.rule, **facts})
        [recorded_id] = cursor.fetchone() or (0,)
        if violation in mended:
            cursor.execute("UPDATE violations SET mended_at = clock_timestamp() WHERE id = %s", (recorded_id,))
    cursor.execute(_FORGET, {"kept": KEPT_VIOLATIONS})


def standing(cursor: Cursor) -> int:
    """Return how many violations are not mended. Locks nothing; reads those alone."""
    cursor.execute("SELECT count(*) FROM violations WHERE mended_at IS NULL")
    [count] = cursor.fetchone() or (0,)
    return int(count)


def last_ended(cursor: Cursor) -> Pass | None:
    """Return the newest pass that came to its end."""
    cursor.execute(f"{_FACTS} WHERE ended_at IS NOT NULL ORDER BY id DESC LIMIT 1")
    row = cursor.fetchone()
    return Pass(*row) if row else None


def running(cursor: Cursor) -> Pass | None:
    """Return the newest pass where it has not ended: older ones without an end were left behind by a leader."""
    cursor.execute(f"SELECT * FROM ({_FACTS} ORDER BY id DESC LIMIT 1) AS newest WHERE ended_at IS NULL")
    row = cursor.fetchone()
    return Pass(*row) if row else None


def violations(cursor: Cursor) -> list[Violation]:
    """Return the violations that are kept, newest first."""
    cursor.execute(
        """
        SELECT id, rule, task_id, queue, detail, found_at, seen_at, mended_at
          FROM violations ORDER BY id DESC LIMIT %s
        """,
        (KEPT_VIOLATIONS,),
    )
    return [Violation(*row) for row in cursor.fetchall()]
