"""The statements of the consistency check read no more than their slice, and keep no more than the newest."""

import pytest

from statements import factories as f
from taskyard.statements import consistency as rules
from taskyard.statements import passes
from taskyard.statements.consistency import Rule


def test_the_newest_violations_are_kept(session):
    many = [rules.Violation(Rule.READY_WITHOUT_TASK, number, None, "x") for number in range(1, 1052)]
    with session.transaction() as cursor:
        passes.record(cursor, many, many)
    kept = [found.task_id for found in session.run(passes.violations)]
    assert kept == list(range(1051, 51, -1))


@pytest.mark.parametrize("statement", [rules._IN_SLICE, rules._NEXT])
def test_a_slice_reads_no_more_than_itself(session, statement):
    f.run_sql(
        session,
        """INSERT INTO tasks (run_at, finished_at, timeout_s, max_attempts, priority, status, reason, name, kind, queue,
                              payload)
           SELECT now(), now(), 60, 1, 4, 'cancelled', 'cancelled', 'x', 'sleep', 'default', '{}'
             FROM generate_series(1, 50000)""",
    )
    f.run_sql(session, "INSERT INTO attempts SELECT id, 1, now(), now(), 'failed', NULL, 'w' FROM tasks")
    f.run_sql(session, "ANALYZE tasks, attempts, ready")
    values = {"after": 20_000, "until": 21_000, "limit": 1000}
    plan = session.run(lambda cursor: (cursor.execute("EXPLAIN " + statement, values), cursor.fetchall())[1])
    scans = [line for (line,) in plan if "Seq Scan on tasks" in line or "Seq Scan on attempts" in line]
    assert scans == []
