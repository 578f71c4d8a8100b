"""Laws of claims, leases and outcomes, against PostgreSQL."""

import threading

import pytest

from statements import factories as f
from taskyard.outcomes import Cancelled, Move, Succeeded
from taskyard.statements import claims, dispatching, editing, finishing, queues, reading, recovery
from taskyard.statements.claims import Held
from taskyard.statements.finishing import Ending
from taskyard.states import Reason, Status


def test_a_claim_takes_a_queued_task_for_its_next_attempt(session):
    [task_id] = f.insert(session, payload={"seconds": 1}, tags=("a", "b"))
    claim = f.claim(session, task_id)
    assert claim is not None
    assert (claim.held, claim.kind, claim.payload, claim.tags) == (
        Held(task_id, 1),
        "sleep",
        {"seconds": 1},
        ("a", "b"),
    )
    assert f.status(session, task_id) == "running"
    assert f.ready(session) == []


def test_of_many_that_claim_at_once_one_gets_it(session, database_url):
    task_ids = f.insert(session, 20)
    won: list[int] = []
    barrier = threading.Barrier(4)

    def race() -> None:
        own = type(session)(database_url, "racer")
        barrier.wait(10)
        won.extend(task_id for task_id in task_ids if f.claim(own, task_id))
        own.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(won) == task_ids


def test_a_message_of_another_attempt_claims_nothing(session):
    [task_id] = f.insert(session)
    assert f.claim(session, task_id, attempt=2) is None
    assert f.claim(session, task_id, attempt=1)
    f.fail(session, task_id, due_in_s=0)
    f.promote(session)
    assert f.claim(session, task_id, attempt=1) is None
    assert f.claim(session, task_id, attempt=2)


def test_a_worker_of_another_queue_claims_nothing(session):
    [task_id] = f.insert(session)
    assert session.run(claims.claim, [Held(task_id, 1)], "elsewhere", "w", 30) == []


def test_a_paused_queue_gives_nothing_and_goes_on_when_resumed(session):
    [task_id] = f.insert(session)
    f.run_sql(session, "UPDATE ready SET dispatched_at = now()")
    with session.transaction() as cursor:
        queues.set_paused(cursor, "default", paused=True)
    assert f.claim(session, task_id) is None
    assert f.rows(session, "SELECT dispatched_at FROM ready") == [(None,)]
    with session.transaction() as cursor:
        queues.set_paused(cursor, "default", paused=False)
    assert f.claim(session, task_id)


def test_an_outcome_is_recorded_with_its_attempt(session):
    [task_id] = f.insert(session)
    f.claim(session, task_id, worker="w-1")
    assert f.succeed(session, task_id) == "succeeded"
    task = f.read(session, task_id)
    assert (task.status, task.result, task.reason) == ("succeeded", {"ok": True}, None)
    [attempt] = session.run(reading.attempts, task_id)
    assert (attempt.attempt, attempt.outcome, attempt.worker) == (1, "succeeded", "w-1")
    assert attempt.started_at <= attempt.ended_at


def test_an_outcome_counts_once(session):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    assert f.succeed(session, task_id)
    assert f.succeed(session, task_id) is None
    assert f.fail(session, task_id) is None
    assert len(session.run(reading.attempts, task_id)) == 1


def test_the_outcome_of_a_worker_thought_dead_is_refused(session):
    [task_id] = f.insert(session)
    f.claim(session, task_id, lease_s=0)
    with session.transaction() as cursor:
        [expired] = recovery.expired(cursor, 3, 10)
        move = Move(Status.RETRYING, Reason.WORKER_LOST)
        finishing.finish(cursor, [Ending(expired.held, finishing.lost("gone"), move)])
    f.promote(session)
    assert f.claim(session, task_id, attempt=2)
    assert f.succeed(session, task_id, attempt=1) is None
    assert f.status(session, task_id) == "running"
    assert f.succeed(session, task_id, attempt=2) == "succeeded"


def test_a_live_lease_does_not_expire(session):
    [task_id] = f.insert(session)
    f.claim(session, task_id, lease_s=30)
    with session.transaction() as cursor:
        assert recovery.expired(cursor, 3, 10) == []


def test_a_lease_is_renewed_for_the_attempt_that_runs_and_no_other(session):
    [first, second] = f.insert(session, 2)
    f.claim(session, first, lease_s=0)
    f.claim(session, second, lease_s=0)
    f.succeed(session, second)
    renewed = session.run(claims.renew, [Held(first, 1), Held(first, 2), Held(second, 1)], 30)
    assert renewed == {Held(first, 1)}
    with session.transaction() as cursor:
        assert recovery.expired(cursor, 3, 10) == []


def test_an_attempt_whose_cancellation_was_asked_for_is_not_retried(session):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    with session.transaction() as cursor:
        editing.request_cancellation(cursor, editing.lock(cursor, task_id))
    assert session.run(claims.cancellations, [Held(task_id, 1), Held(task_id, 2)]) == {Held(task_id, 1)}
    assert f.fail(session, task_id, due_in_s=5) == "cancelled"
    assert f.read(session, task_id).reason == "cancelled"


def test_a_lost_worker_is_not_counted_as_a_try(session):
    [task_id] = f.insert(session, max_attempts=1)
    f.claim(session, task_id)
    f.lose(session, task_id)
    f.promote(session)
    claim = f.claim(session, task_id, attempt=2)
    budget = claim.budget(3)
    assert (budget.tries, budget.max_attempts, budget.losses) == (1, 1, 1)


def test_a_task_that_lost_its_worker_keeps_its_place_in_the_line(session):
    lost, *later = f.insert(session, 3)
    f.claim(session, lost)
    f.lose(session, lost)
    assert f.promote(session) == 1
    picked = session.run(dispatching.pick, "default", 1000, 1000)
    assert [task.task_id for task in picked.tasks] == [lost, *later]
    assert f.claim(session, lost, attempt=2).waited_s < 30


def test_the_wait_of_a_task_that_lost_its_worker_begins_with_the_lost_attempt(session):
    [task_id] = f.insert(session)
    f.run_sql(session, "UPDATE tasks SET run_at = now() - interval '1 hour', queued_at = now() - interval '1 hour'")
    f.claim(session, task_id)
    f.lose(session, task_id)
    f.promote(session)
    assert f.claim(session, task_id, attempt=2).waited_s < 60


def test_progress_belongs_to_the_attempt_that_runs(session):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    assert session.run(claims.report_progress, Held(task_id, 1), 0.5, "half")
    assert not session.run(claims.report_progress, Held(task_id, 2), 0.9, "")
    task = f.read(session, task_id)
    assert (task.progress, task.progress_note) == (0.5, "half")
    f.succeed(session, task_id)
    assert f.read(session, task_id).progress == 1


def test_a_cancelled_attempt_ends_its_task(session):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    f.finish(session, Held(task_id, 1), Cancelled(), Move(Status.CANCELLED, Reason.CANCELLED))
    task = f.read(session, task_id)
    assert (task.status, task.reason) == ("cancelled", "cancelled")
    assert task.finished_at is not None


@pytest.mark.parametrize("ending", ["succeed", "fail"])
def test_an_ended_task_leaves_nothing_behind(session, ending):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    getattr(f, ending)(session, task_id)
    assert f.ready(session) == []
    with session.transaction() as cursor:
        assert recovery.expired(cursor, 3, 10) == []


def test_a_message_claims_those_of_its_tasks_that_wait_in_the_order_it_names(session):
    ids = f.insert(session, 4)
    f.claim(session, ids[1])
    asked = [Held(ids[3], 1), Held(ids[1], 1), Held(ids[0], 1), Held(ids[2], 2)]
    claimed = session.run(claims.claim, asked, "default", "w", 30)
    assert [claim.held for claim in claimed] == [Held(ids[3], 1), Held(ids[0], 1)]
    assert f.ready(session) == [(ids[2], 1)]
    assert f.counted(session) == f.recounted(session)


def test_attempts_end_together_each_with_its_own_outcome(session):
    good, bad, stale, cancelled = f.insert(session, 4)
    session.run(claims.claim, [Held(task_id, 1) for task_id in (good, bad, stale, cancelled)], "default", "w", 30)
    f.succeed(session, stale)
    with session.transaction() as cursor:
        editing.request_cancellation(cursor, editing.lock(cursor, cancelled))
    ended = session.run(
        finishing.finish,
        [
            Ending(Held(stale, 1), f.ERROR, Move(Status.FAILED, Reason.ERROR)),
            Ending(Held(good, 1), Succeeded("[1]"), Move(Status.SUCCEEDED), began_ago_s=5.0, ended_ago_s=2.0),
            Ending(Held(bad, 1), f.ERROR, Move(Status.FAILED, Reason.ERROR)),
            Ending(Held(cancelled, 1), f.ERROR, Move(Status.RETRYING, Reason.ERROR, 1.0)),
        ],
    )
    assert ended == {Held(good, 1): "succeeded", Held(bad, 1): "failed", Held(cancelled, 1): "cancelled"}
    task = f.read(session, good)
    assert task.result == [1]
    assert (task.finished_at - task.started_at).total_seconds() == pytest.approx(3.0, abs=0.001)
    [attempt] = session.run(reading.attempts, good)
    assert (attempt.started_at, attempt.ended_at) == (task.started_at, task.finished_at)
    assert f.read(session, bad).error_message == "no"
    assert f.read(session, stale).status == "succeeded"
    assert f.counted(session) == f.recounted(session)


def test_what_never_began_is_given_back_as_if_it_had_not_been_claimed(session):
    first, second, cancelled, others = f.insert(session, 4)
    session.run(claims.claim, [Held(task_id, 1) for task_id in (first, second, cancelled)], "default", "w", 30)
    f.claim(session, others, worker="another")
    with session.transaction() as cursor:
        editing.request_cancellation(cursor, editing.lock(cursor, cancelled))
    given_up = [Held(task_id, 1) for task_id in (second, cancelled, others)]
    assert session.run(claims.give_back, given_up, "w") == 2
    assert f.status(session, others) == "running"
    task = f.read(session, cancelled)
    assert (task.status, task.reason, task.attempt) == ("cancelled", "cancelled", 0)
    assert f.promote(session) == 1
    assert f.ready(session) == [(second, 1)]
    assert f.claim(session, second).budget(3).tries == 1
    assert f.counted(session) == f.recounted(session)
