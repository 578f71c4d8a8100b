"""The ledger tells each end of a task once, with what metrics need of it, and cheaply."""

import time

from statements import factories as f
from taskyard.metrics import END_TO_END_SECONDS
from taskyard.statements import claims, editing, queues, recovery
from taskyard.statements.claims import Held
from taskyard.statements.ends import Ends
from taskyard.states import Reason, Status


def _fold(session) -> list[Ends]:
    return session.run(queues.fold, END_TO_END_SECONDS).ends


def _age(session, seconds: float) -> None:
    """Let the tasks be submitted, and due, so long ago."""
    f.run_sql(
        session,
        "UPDATE tasks SET created_at = created_at - make_interval(secs => %s), "
        "run_at = run_at - make_interval(secs => %s)",
        seconds,
        seconds,
    )


def test_each_end_is_told_once_by_kind_queue_and_outcome(session):
    done, failed, cancelled, lettered, running = f.insert(session, 5)
    for task_id in (done, failed, running):
        f.claim(session, task_id)
    f.succeed(session, done)
    f.fail(session, failed)
    with session.transaction() as cursor:
        editing.cancel_waiting(cursor, editing.lock(cursor, cancelled))
    session.run(recovery.fail_undelivered, Held(lettered, 1), Reason.UNDELIVERABLE, "gone")
    told = {(ends.outcome, ends.attempts): ends for ends in _fold(session)}
    assert {key: ends.tasks for key, ends in told.items()} == {
        (Status.SUCCEEDED, 1): 1,
        (Status.FAILED, 1): 1,
        (Status.CANCELLED, None): 1,
        (Status.FAILED, 0): 1,
    }
    assert {(ends.kind, ends.queue) for ends in told.values()} == {("sleep", "default")}
    assert told[Status.CANCELLED, None].span is None
    assert told[Status.SUCCEEDED, 1].span == 0
    assert _fold(session) == []


def test_a_bound_belongs_to_the_span_below_it(session):
    for seconds in (2.5, 2.6, 7200, 9000):
        f.run_sql(
            session,
            "INSERT INTO moves VALUES ('default', 'running', 'succeeded', 1, 'sleep', 1, %s)",
            seconds,
        )
    found = sorted((ends.span, ends.end_to_end_s) for ends in _fold(session))
    assert found == [(4, 2.5), (5, 2.6), (14, 7200), (15, 9000)]


def test_a_delay_that_was_asked_for_is_no_part_of_the_time(session):
    [task_id] = f.insert(session, delay_s=50)
    _age(session, 60)  # due for 10 s
    f.promote(session)
    f.claim(session, task_id)
    f.succeed(session, task_id)
    [ends] = _fold(session)
    assert 10 <= ends.end_to_end_s < 30


def test_attempts_and_the_time_between_them_count_and_a_retry_is_no_end(session):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    f.fail(session, task_id, due_in_s=0)
    assert _fold(session) == []
    _age(session, 100)
    f.promote(session)
    f.claim(session, task_id, attempt=2)
    f.succeed(session, task_id, attempt=2)
    [ends] = _fold(session)
    assert ends.attempts == 2
    assert 100 <= ends.end_to_end_s < 130


def test_a_retry_that_becomes_a_cancellation_is_an_end(session):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    with session.transaction() as cursor:
        editing.request_cancellation(cursor, editing.lock(cursor, task_id))
    assert f.fail(session, task_id, due_in_s=10) == "cancelled"
    [ends] = _fold(session)
    assert (ends.outcome, ends.attempts, ends.span) == (Status.CANCELLED, None, None)


def test_moves_of_the_version_before_are_counted_and_tell_no_ends(session):
    f.run_sql(session, "INSERT INTO moves (queue, source, target, tasks) VALUES ('default', 'running', 'failed', 1)")
    folded = session.run(queues.fold, END_TO_END_SECONDS)
    assert (folded.moves, folded.ends) == (1, [])
    assert f.counted(session)["default", "failed"] == 1


def test_a_hundred_thousand_ends_come_as_a_few_rows_and_soon(session):
    f.run_sql(
        session,
        """INSERT INTO moves SELECT 'default', 'running', 'succeeded', 1, 'sleep', 1, random() * 100
             FROM generate_series(1, 100000)""",
    )
    started = time.monotonic()
    ends = _fold(session)
    took_s = time.monotonic() - started
    assert sum(one.tasks for one in ends) == 100_000
    assert len(ends) <= len(END_TO_END_SECONDS) + 1
    assert took_s < 10, "a second of the leader's at most, on a machine that is busy with nothing else"


def test_the_oldest_attempt_of_each_queue_is_known(session):
    for task_id in f.insert(session, 2):
        f.claim(session, task_id)
    f.run_sql(session, "UPDATE tasks SET started_at = started_at - interval '1 minute' WHERE id = 1")
    [(queue, age_s)] = session.run(queues.oldest_running).items()
    assert queue == "default"
    assert 60 <= age_s < 90


def test_who_ends_an_attempt_from_outside_learns_its_queue(session):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    task = session.run(claims.running, Held(task_id, 1), "w", 3)
    assert (task.kind, task.queue) == ("sleep", "default")
