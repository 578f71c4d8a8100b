"""Statements that put right what is broken of the record, where the rest of the record says how it must be.

Nothing is guessed. Of a row that is missing from `attempts` or that contradicts another, only a person can say what is
true, but for one case: of a task that succeeded, the row of `tasks` has all that its last attempt's row would have.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from taskyard.database import Cursor
from taskyard.statements.consistency import Drift, Rule, Violation
from taskyard.statements.dispatching import READY_ANEW

# Sent anew: a message that is in RabbitMQ already makes the new one one that claims nothing.
_READY_AS_TASKS_SAY: Final = f"""
    INSERT INTO ready (task_id, run_at, attempt, priority, queue, kind)
    SELECT id, run_at, attempt + 1, priority, queue, kind FROM tasks
     WHERE id = ANY(%(task_ids)s::bigint[]) AND status = 'queued'
    {READY_ANEW}
 RETURNING task_id
"""

_OUT_OF_READY: Final = """
    DELETE FROM ready WHERE task_id = ANY(%(task_ids)s::bigint[])
       AND NOT EXISTS (SELECT FROM tasks WHERE id = task_id AND status = 'queued')
 RETURNING task_id
"""

_QUEUE: Final = """
    WITH made AS (
        INSERT INTO queues (name) SELECT DISTINCT queue FROM tasks WHERE id = ANY(%(task_ids)s::bigint[])
            ON CONFLICT (name) DO NOTHING
    )
    SELECT id FROM tasks WHERE id = ANY(%(task_ids)s::bigint[])
"""

_LAST_ATTEMPT: Final = """
    INSERT INTO attempts (task_id, attempt, started_at, ended_at, outcome, worker)
    SELECT id, attempt, started_at, finished_at, 'succeeded', worker FROM tasks
     WHERE id = ANY(%(task_ids)s::bigint[]) AND status = 'succeeded' AND worker IS NOT NULL AND started_at IS NOT NULL
       AND NOT EXISTS (SELECT FROM attempts WHERE task_id = id AND outcome = 'succeeded')
       AND attempt - 1 = (SELECT count(*) FROM attempts WHERE task_id = id AND attempts.attempt < tasks.attempt)
        ON CONFLICT DO NOTHING
 RETURNING task_id
"""

_ATTEMPTS_OF_NOBODY: Final = """
    DELETE FROM attempts WHERE task_id = ANY(%(task_ids)s::bigint[])
       AND NOT EXISTS (SELECT FROM tasks WHERE id = task_id)
 RETURNING task_id
"""

_STATEMENTS: Final[Mapping[Rule, str]] = {
    Rule.READY_NOT_QUEUED: _OUT_OF_READY,
    Rule.READY_WITHOUT_TASK: _OUT_OF_READY,
    Rule.QUEUED_WITHOUT_READY: _READY_AS_TASKS_SAY,
    Rule.READY_DIFFERS: _READY_AS_TASKS_SAY,
    Rule.QUEUE_MISSING: _QUEUE,
    Rule.ATTEMPTS_MISSING: _LAST_ATTEMPT,
    Rule.ATTEMPTS_WITHOUT_TASK: _ATTEMPTS_OF_NOBODY,
}

_ADD: Final = """
    INSERT INTO moves (queue, source, target, tasks)
    VALUES (%(queue)s, CASE WHEN %(tasks)s < 0 THEN %(status)s END, CASE WHEN %(tasks)s > 0 THEN %(status)s END,
            abs(%(tasks)s))
"""

MENDING: Final[Mapping[Rule, str]] = {
    Rule.QUEUED_WITHOUT_READY: "The row is made, and the task sent.",
    Rule.READY_NOT_QUEUED: "The row is taken away.",
    Rule.READY_WITHOUT_TASK: "The row is taken away.",
    Rule.READY_DIFFERS: "The row is written anew, and the task sent again.",
    Rule.QUEUE_MISSING: "The queue is made.",
    Rule.DUE_NOT_QUEUED: "The task is queued by itself, apart from what may keep others from it.",
    Rule.LEASE_OVERDUE: "The attempt is ended as lost by itself, apart from what may keep others from it.",
    Rule.ATTEMPTS_MISSING: "The row is made where it is the last of a task that succeeded; else it is for a person.",
    Rule.ATTEMPTS_WITHOUT_TASK: "The rows are taken away, as they are with their task.",
    Rule.COUNTERS_DRIFT: "The difference is added to moves.",
}
"""What is done where a rule is broken. Rules that are not here are for a person to judge."""


def mend(cursor: Cursor, broken: Iterable[Violation]) -> set[Violation]:
    """Put right those of `broken` for which there is a way; return which.

    Needs the transaction in which `consistency.confirm` locked and found them. Rules that time breaks are not for here.
    """
    by_rule: dict[Rule, list[Violation]] = {}
    for violation in broken:
        by_rule.setdefault(violation.rule, []).append(violation)
    mended: set[Violation] = set()
    for rule, statement in _STATEMENTS.items():
        if violations := by_rule.get(rule):
            cursor.execute(statement, {"task_ids": [violation.task_id for violation in violations]})
            right = {task_id for (task_id,) in cursor.fetchall()}
            mended |= {violation for violation in violations if violation.task_id in right}
    return mended


def add_up(cursor: Cursor, drifted: Sequence[Drift]) -> None:
    """Add to the ledger what the counters lack.

    Right whatever moves meanwhile: each move changes counters and count alike, so the difference stays what it was.
    Needs a transaction; locks nothing that others wait for.
    """
    for drift in drifted:
        cursor.execute(_ADD, {"queue": drift.queue, "status": drift.status, "tasks": drift.difference})
