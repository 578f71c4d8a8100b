"""Laws of picking, marking, promoting and leading."""

from statements import factories as f
from taskyard.statements import dispatching, queues, recovery
from taskyard.statements.claims import Held
from taskyard.states import Reason
from waiting import eventually


def _pick(session, window=1000, limit=100, queue="default"):
    return session.run(dispatching.pick, queue, window, limit).tasks


def test_tasks_go_by_priority_then_by_age(session):
    [old] = f.insert(session, priority=4)
    [low] = f.insert(session, priority=0)
    [young] = f.insert(session, priority=4)
    [high] = f.insert(session, priority=9)
    assert [task.task_id for task in _pick(session)] == [high, old, young, low]


def test_no_more_are_picked_than_the_window_has_room(session):
    f.insert(session, 5)
    picked = _pick(session, window=3)
    assert len(picked) == 3
    f.mark(session, picked[:2])
    assert [task.task_id for task in _pick(session, window=3)] == [picked[2].task_id]
    f.mark(session, picked[2:])
    assert _pick(session, window=3) == []
    f.claim(session, picked[0].task_id)
    assert len(_pick(session, window=3)) == 1


def test_a_queue_has_a_window_of_its_own_and_none_while_it_is_paused(session):
    f.insert(session, 5)
    with session.transaction() as cursor:
        queues.set_dispatch_window(cursor, "default", 2)
    assert len(_pick(session, window=1000)) == 2
    with session.transaction() as cursor:
        queues.set_paused(cursor, "default", paused=True)
    assert _pick(session) == []


def test_what_was_claimed_before_it_was_marked_stays_gone(session):
    f.insert(session)
    picked = _pick(session)
    f.claim(session, picked[0].task_id)
    f.fail(session, picked[0].task_id, due_in_s=0)
    f.promote(session)  # the same task is ready again, for attempt 2
    f.mark(session, picked)
    [again] = _pick(session)
    assert again.attempt == 2


def test_only_what_is_due_is_promoted(session):
    [soon] = f.insert(session, delay_s=60)
    [late] = f.insert(session, delay_s=3600)
    assert f.promote(session) == 0
    f.run_sql(session, "UPDATE tasks SET run_at = now() - interval '1 second' WHERE id = %s", soon)
    assert f.promote(session) == 1
    assert (f.status(session, soon), f.status(session, late)) == ("queued", "scheduled")
    assert 3000 < session.run(dispatching.next_due_s) <= 3600


def test_what_rabbitmq_lost_is_published_again(session):
    ids = f.insert(session, 3)
    f.mark(session, _pick(session))
    assert _pick(session) == []
    assert session.run(recovery.settled, "default", 3600) == 0
    assert session.run(recovery.take_back, "default", 3600) == 0
    assert session.run(recovery.take_back, "default") == 3
    assert [task.task_id for task in _pick(session)] == ids


def test_a_dead_letter_ends_the_task_that_waited_for_it_and_no_other(session):
    [waiting, running] = f.insert(session, 2)
    f.claim(session, running)
    assert session.run(recovery.fail_undelivered, Held(waiting, 1), Reason.UNKNOWN_KIND, "nobody knows it")
    assert not session.run(recovery.fail_undelivered, Held(waiting, 1), Reason.UNKNOWN_KIND, "again")
    assert not session.run(recovery.fail_undelivered, Held(running, 1), Reason.UNKNOWN_KIND, "too late")
    assert (f.status(session, waiting), f.status(session, running)) == ("failed", "running")
    assert f.ready(session) == []


def test_one_leads_until_its_connection_ends(session, other_session):
    assert session.run(dispatching.lead, "queue:default")
    assert not other_session.run(dispatching.lead, "queue:default")
    assert other_session.run(dispatching.lead, "queue:another")
    session.close()
    eventually(lambda: other_session.run(dispatching.lead, "queue:default"), "the server has noticed")


def test_a_message_of_several_tasks_is_missed_once(session):
    f.insert(session, 5)
    tasks = _pick(session)
    session.run(dispatching.mark_dispatched, "default", [tuple(tasks[:3]), tuple(tasks[3:])])
    assert eventually(lambda: session.run(recovery.settled, "default", 0.0) == 2, "both have settled")
    f.claim(session, tasks[0].task_id)
    assert session.run(recovery.settled, "default", 0.0) == 2
    f.claim(session, tasks[3].task_id)
    f.claim(session, tasks[4].task_id)
    assert session.run(recovery.settled, "default", 0.0) == 1


def test_it_is_said_whether_more_wait_than_were_picked(session):
    f.insert(session, 5)
    assert session.run(dispatching.pick, "default", 1000, 100).are_all
    assert not session.run(dispatching.pick, "default", 1000, 5).are_all
    assert not session.run(dispatching.pick, "default", 3, 100).are_all
    assert session.run(dispatching.pick, "elsewhere", 3, 100).are_all
