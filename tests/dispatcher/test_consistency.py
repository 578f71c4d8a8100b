"""The consistency check finds each rule that is broken, puts right what it safely can, and says nothing of the rest."""

import pytest

from dispatcher.consistency_passes import make_pass
from statements import factories as f
from taskyard.statements import consistency as rules
from taskyard.statements import dispatching, editing, mending, passes, queues
from taskyard.statements.consistency import Rule
from taskyard_dispatcher import consistency


def _found(session) -> list[tuple[str, int | None, bool]]:
    """Return each recorded violation: rule, task, and whether it was mended."""
    return [(found.rule, found.task_id, found.mended_at is not None) for found in session.run(passes.violations)]


def _counted(registry, name: str, rule: Rule) -> float | None:
    return registry.get_sample_value(f"taskyard_consistency_{name}_total", {"rule": rule})


def _everything(session) -> list[int]:
    """Make tasks in every status, with retries, edits and cancellations behind them; return their ids."""
    ids = f.insert(session, 12)
    for task_id in ids[:6]:
        f.claim(session, task_id)
    f.succeed(session, ids[0])
    f.fail(session, ids[1])
    f.fail(session, ids[2], due_in_s=60)
    f.fail(session, ids[3], due_in_s=0)
    f.fail(session, ids[4])
    f.promote(session)
    f.claim(session, ids[3], attempt=2)
    f.succeed(session, ids[3], attempt=2)
    with session.transaction() as cursor:
        editing.cancel_waiting(cursor, editing.lock(cursor, ids[6]))
        editing.retry(cursor, editing.lock(cursor, ids[4]))
        editing.delete(cursor, editing.lock(cursor, ids[7]))
        editing.edit(cursor, editing.lock(cursor, ids[8]), {"priority": 9})
        editing.edit(cursor, editing.lock(cursor, ids[9]), {"delay_s": 60})
    f.mark(session, session.run(dispatching.pick, "default", 10, 2).tasks)
    return ids + f.insert(session, delay_s=60)


def _break(session, statement: str) -> None:
    """Change one thing behind the back of the statements; the counters are told what the tasks then are."""
    f.run_sql(session, statement)
    session.run(queues.fold)
    f.run_sql(session, "TRUNCATE counters")
    f.run_sql(session, "INSERT INTO counters SELECT queue, status, count(*) FROM tasks GROUP BY queue, status")


SUCCESS = "SELECT id FROM tasks WHERE status = 'succeeded' ORDER BY id LIMIT 1"
QUEUED = "SELECT id FROM tasks WHERE status = 'queued' ORDER BY id LIMIT 1"
STRAY = "INSERT INTO ready (task_id, run_at, attempt, priority, queue, kind) SELECT {}, now(), 1, 4, 'default', 'sleep'"
ATTEMPT = (
    "INSERT INTO attempts (task_id, attempt, started_at, ended_at, outcome, worker) SELECT {}, now(), now(), {}, 'w'"
)

MENDED = {
    "queued_without_ready": (Rule.QUEUED_WITHOUT_READY, f"DELETE FROM ready WHERE task_id = ({QUEUED})"),
    "a running task in ready": (
        Rule.READY_NOT_QUEUED,
        STRAY.format("(SELECT min(id) FROM tasks WHERE status = 'running')"),
    ),
    "a scheduled task in ready": (
        Rule.READY_NOT_QUEUED,
        STRAY.format("(SELECT min(id) FROM tasks WHERE status = 'scheduled')"),
    ),
    "a finished task in ready": (Rule.READY_NOT_QUEUED, STRAY.format(f"({SUCCESS})")),
    "ready_without_task": (Rule.READY_WITHOUT_TASK, STRAY.format("999999")),
    "another attempt": (Rule.READY_DIFFERS, f"UPDATE ready SET attempt = 7 WHERE task_id = ({QUEUED})"),
    "another queue": (Rule.READY_DIFFERS, f"UPDATE ready SET queue = 'other' WHERE task_id = ({QUEUED})"),
    "another priority": (Rule.READY_DIFFERS, f"UPDATE ready SET priority = 0 WHERE task_id = ({QUEUED})"),
    "queue_missing": (
        Rule.QUEUE_MISSING,
        f"""WITH gone AS (UPDATE tasks SET queue = 'nowhere' WHERE id = ({QUEUED}))
            UPDATE ready SET queue = 'nowhere' WHERE task_id = ({QUEUED})""",
    ),
    "attempts_missing": (Rule.ATTEMPTS_MISSING, f"DELETE FROM attempts WHERE task_id = ({SUCCESS})"),
    "attempts_without_task": (Rule.ATTEMPTS_WITHOUT_TASK, ATTEMPT.format("999999, 1", "'failed'")),
}
"""What can be broken and put right: the rule, and how it is broken."""

STANDING = {
    "the first of two is missing": (
        Rule.ATTEMPTS_MISSING,
        "DELETE FROM attempts WHERE attempt = 1 AND task_id = (SELECT id FROM tasks WHERE attempt = 2)",
    ),
    "attempts_surplus": (Rule.ATTEMPTS_SURPLUS, ATTEMPT.format(f"({QUEUED}), 7", "'failed'")),
    "succeeded_twice": (
        Rule.SUCCEEDED_TWICE,
        "UPDATE attempts SET outcome = 'succeeded' WHERE task_id = (SELECT id FROM tasks WHERE attempt = 2)",
    ),
    "succeeded by no attempt": (
        Rule.END_CONTRADICTED,
        f"UPDATE attempts SET outcome = 'failed' WHERE task_id = ({SUCCESS})",
    ),
    "an attempt succeeded, and the task did not": (
        Rule.END_CONTRADICTED,
        """UPDATE attempts SET outcome = 'succeeded'
            WHERE task_id = (SELECT id FROM tasks WHERE status = 'failed' ORDER BY id LIMIT 1)""",
    ),
}
"""What can be broken and is for a person to judge."""


def test_what_is_as_it_must_be_is_no_violation(check, session, clock):
    ids = _everything(session)
    ended = make_pass(check, session, clock)
    assert (ended.examined, ended.violations) == (len(ids) - 1, 0)
    assert ended.counted_at is not None
    assert _found(session) == []


@pytest.mark.parametrize(("rule", "statement"), MENDED.values(), ids=MENDED)
def test_a_broken_rule_is_found_and_mended(check, session, clock, registry, rule, statement):
    _everything(session)
    _break(session, statement)
    assert make_pass(check, session, clock).violations == 1
    [(found, task_id, mended)] = _found(session)
    assert (found, mended) == (rule, True)
    assert task_id is not None
    assert _counted(registry, "violations", rule) == _counted(registry, "mended", rule) == 1
    assert registry.get_sample_value("taskyard_consistency_standing_violations") == 0
    assert make_pass(check, session, clock).violations == 0
    assert {rule for rule, _, _ in _found(session)} == {rule}


@pytest.mark.parametrize(("rule", "statement"), STANDING.values(), ids=STANDING)
def test_what_only_a_person_can_judge_is_found_until_it_is_put_right(check, session, clock, registry, rule, statement):
    _everything(session)
    _break(session, statement)
    for times in (1, 2):
        assert make_pass(check, session, clock).violations == 1
        assert [(rule, mended) for rule, _, mended in _found(session)] == [(rule, False)]
        assert _counted(registry, "violations", rule) == times
        assert _counted(registry, "mended", rule) == 0
        assert registry.get_sample_value("taskyard_consistency_standing_violations") == 1
    [first] = session.run(passes.violations)
    assert first.seen_at > first.found_at
    with session.transaction() as cursor:
        cursor.execute("DELETE FROM attempts WHERE task_id = %s", (first.task_id,))
        cursor.execute("DELETE FROM ready WHERE task_id = %s", (first.task_id,))
        cursor.execute("DELETE FROM tasks WHERE id = %s RETURNING queue, status", (first.task_id,))
        cursor.execute("INSERT INTO moves (queue, source, tasks) VALUES (%s, %s, 1)", cursor.fetchone())
    assert make_pass(check, session, clock).violations == 0
    assert _found(session) == [(rule, first.task_id, True)]


def test_a_task_whose_last_attempt_is_missing_gets_back_what_its_row_tells(check, session, clock):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    f.succeed(session, task_id)
    [before] = f.rows(session, "SELECT task_id, attempt, started_at, outcome, reason, worker FROM attempts")
    f.run_sql(session, "DELETE FROM attempts")
    make_pass(check, session, clock)
    assert f.rows(session, "SELECT task_id, attempt, started_at, outcome, reason, worker FROM attempts") == [before]


@pytest.mark.parametrize("by", [3, -2])
def test_counters_that_drifted_are_found_and_put_right(check, session, clock, registry, by):
    _everything(session)
    session.run(queues.fold)
    f.run_sql(session, "UPDATE counters SET tasks = tasks + %s WHERE status = 'succeeded'", by)
    assert make_pass(check, session, clock).violations == 1
    [found] = session.run(passes.violations)
    assert (found.rule, found.queue, found.task_id) == (Rule.COUNTERS_DRIFT, "default", None)
    assert found.detail == f"succeeded: 2 tasks, and {2 + by} by the counters"
    assert f.counted(session) == f.recounted(session)
    session.run(queues.fold)
    assert f.counted(session) == f.recounted(session)
    assert _counted(registry, "mended", Rule.COUNTERS_DRIFT) == 1
    assert make_pass(check, session, clock).violations == 0


def test_a_lease_that_nobody_ends_is_ended_after_some_looks(check, session, clock, registry):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    f.run_sql(session, "UPDATE tasks SET lease_until = now() - interval '2 minutes'")
    for _ in range(consistency.LOOKS - 1):
        check.look()
    assert (f.status(session, task_id), _found(session)) == ("running", [])
    check.look()
    assert f.status(session, task_id) == "retrying"
    assert _found(session) == [(Rule.LEASE_OVERDUE, task_id, True)]
    assert _counted(registry, "mended", Rule.LEASE_OVERDUE) == 1
    assert f.counted(session) == f.recounted(session)


def test_a_task_that_is_due_and_nobody_queues_is_queued_after_some_looks(check, session):
    [task_id] = f.insert(session, delay_s=60)
    f.run_sql(session, "UPDATE tasks SET run_at = now() - interval '2 minutes'")
    for _ in range(consistency.LOOKS - 1):
        check.look()
    assert (f.ready(session), _found(session)) == ([], [])
    check.look()
    assert f.ready(session) == [(task_id, 1)]
    assert _found(session) == [(Rule.DUE_NOT_QUEUED, task_id, True)]


def test_a_line_that_moves_is_no_violation_however_long_it_is(check, session):
    f.insert(session, 2 * consistency.LOOKS, delay_s=60)
    f.run_sql(session, "UPDATE tasks SET run_at = now() - interval '1 hour' + id * interval '1 second'")
    for _ in range(2 * consistency.LOOKS):
        check.look()
        session.run(dispatching.promote, 3)
    assert _found(session) == []


def test_an_attempt_that_cannot_be_ended_is_left_for_a_person(check, session):
    """Its number stands in `attempts` already, so that nothing can record how it ended."""
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    f.run_sql(session, ATTEMPT.format(f"{task_id}, 1", "'failed'"))
    f.run_sql(session, "UPDATE tasks SET lease_until = now() - interval '2 minutes'")
    for _ in range(consistency.LOOKS):
        check.look()
    assert _found(session) == [(Rule.LEASE_OVERDUE, task_id, False)]


def test_what_somebody_else_holds_is_left_for_the_nextmake_pass(check, session, other_session, clock):
    [task_id] = f.insert(session)
    f.run_sql(session, "DELETE FROM ready")
    with other_session.transaction() as cursor:
        editing.lock(cursor, task_id)
        assert make_pass(check, session, clock).violations == 0
        assert f.ready(session) == []
    assert make_pass(check, session, clock).violations == 1
    assert f.ready(session) == [(task_id, 1)]


def test_every_rule_is_explained_and_every_one_that_is_broken_here_is_all_of_them():
    assert set(rules.MEANING) == set(Rule)
    broken = {rule for rule, _ in [*MENDED.values(), *STANDING.values()]}
    assert broken | {Rule.COUNTERS_DRIFT, Rule.LEASE_OVERDUE, Rule.DUE_NOT_QUEUED} == set(Rule)
    never = {rule for rule, _ in STANDING.values()} - {rule for rule, _ in MENDED.values()}
    assert set(mending.MENDING) == set(Rule) - never
