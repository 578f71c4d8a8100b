"""What waits for a change of the same task finds the task as it then is, and leaves nothing behind."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from statements import factories as f
from taskyard.statements import dispatching, editing, recovery
from taskyard.statements.claims import Held
from taskyard.states import Reason
from waiting import eventually

WAITS = "SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
HELD_UP = f"{WAITS} AND locktype = 'advisory'"


def _claim(session, task_id) -> None:
    assert f.claim(session, task_id) is not None


def _bury(session, task_id) -> None:
    with session.transaction() as cursor:
        assert recovery.fail_undelivered(cursor, Held(task_id, 1), Reason.UNDELIVERABLE, "no") == "default"


def _edit(cursor, task_id) -> None:
    editing.edit(cursor, editing.lock(cursor, task_id), {"priority": 9})


def _cancel_and_retry(cursor, task_id) -> None:
    editing.cancel_waiting(cursor, editing.lock(cursor, task_id))
    editing.retry(cursor, editing.lock(cursor, task_id))


@pytest.mark.parametrize("change", [_edit, _cancel_and_retry])
@pytest.mark.parametrize("wait", [_claim, _bury])
def test_a_task_that_leaves_ready_just_after_a_change_leaves_no_row_there(session, other_session, wait, change):
    """Such a row would be published for ever, and keep the task's next attempt from becoming due."""
    [task_id] = f.insert(session)
    with ThreadPoolExecutor(1) as thread:
        with session.transaction() as cursor:
            change(cursor, task_id)
            waiting = thread.submit(wait, other_session, task_id)
            eventually(lambda: f.rows(session, WAITS), "the other waits for the change")
        waiting.result(30)
    assert f.ready(session) == []


def test_a_row_in_ready_that_should_not_be_there_keeps_nothing_from_becoming_due(session):
    task_ids = f.insert(session, 2, delay_s=60)
    f.run_sql(
        session,
        """INSERT INTO ready (task_id, run_at, dispatched_at, attempt, priority, queue, kind)
           VALUES (%s, now(), now(), 7, 1, 'default', 'sleep')""",
        task_ids[0],
    )
    f.run_sql(session, "UPDATE tasks SET run_at = now() - interval '1 second'")
    assert f.promote(session) == 2
    assert f.ready(session) == [(task_id, 1) for task_id in task_ids]
    assert {task.task_id for task in session.run(dispatching.pick, "default", 1000, 100).tasks} == set(task_ids)


def test_a_claim_that_waited_for_a_change_takes_effect_at_once_or_not_at_all(session, other_session):
    """Between its statements nobody may see a running task in `ready`: so it would look broken, or be sent again."""
    f.run_sql(
        session,
        """CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN OLD; END $$""",
    )
    f.run_sql(session, "CREATE TRIGGER hold BEFORE DELETE ON ready FOR EACH ROW EXECUTE FUNCTION hold()")
    [task_id] = f.insert(session)
    f.run_sql(session, "SELECT pg_advisory_lock(1)")  # holds up all deletions but one's own
    with ThreadPoolExecutor(1) as thread:
        with session.transaction() as cursor:
            _cancel_and_retry(cursor, task_id)
            waiting = thread.submit(_claim, other_session, task_id)
            eventually(lambda: f.rows(session, WAITS), "the claim waits for the change")
        eventually(lambda: f.rows(session, HELD_UP), "the claim is held up where it takes the task out of ready")
        seen = f.rows(session, "SELECT status, EXISTS (SELECT FROM ready) FROM tasks")
        f.run_sql(session, "SELECT pg_advisory_unlock(1)")
        waiting.result(30)
    assert seen == [("queued", True)]
    assert f.rows(session, "SELECT status, EXISTS (SELECT FROM ready) FROM tasks") == [("running", False)]
