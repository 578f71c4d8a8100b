"""Laws of recording new tasks."""

import threading
from dataclasses import replace

from statements import factories as f
from taskyard.statements import reading, submission
from taskyard.statements.submission import KeyTaken, Recorded


def test_tasks_are_numbered_in_their_order(session):
    tasks = [replace(f.PLAIN, name=f"task {number}") for number in range(200)]
    made = session.run(submission.insert, tasks)
    ids = [one.id for one in made]
    assert ids == sorted(ids)
    assert [session.run(reading.task, id_).name for id_ in ids[:3]] == ["task 0", "task 1", "task 2"]


def test_what_is_due_is_ready_and_what_is_not_is_only_a_row(session):
    [now] = f.insert(session)
    [later] = f.insert(session, delay_s=60)
    assert f.ready(session) == [(now, 1)]
    assert (f.status(session, now), f.status(session, later)) == ("queued", "scheduled")


def test_a_key_brings_its_task_again(session):
    keyed = replace(f.PLAIN, idempotency_key="k", request_hash="ab" * 32)
    with session.transaction() as cursor:
        [made] = submission.insert(cursor, [keyed])
    with session.transaction() as cursor:
        [again] = submission.insert(cursor, [keyed])
    assert isinstance(made, Recorded)
    assert again == KeyTaken(made.id, "ab" * 32)
    assert f.recounted(session) == {("default", "queued"): 1}


def test_a_key_twice_in_one_statement_makes_one_task(session):
    keyed = replace(f.PLAIN, idempotency_key="k", request_hash="ab" * 32)
    with session.transaction() as cursor:
        first, plain, second = submission.insert(cursor, [keyed, f.PLAIN, keyed])
    assert isinstance(first, Recorded)
    assert isinstance(plain, Recorded)
    assert second == KeyTaken(first.id, "ab" * 32)


def test_of_many_that_send_one_key_at_once_one_makes_the_task(session, database_url):
    keyed = replace(f.PLAIN, idempotency_key="race", request_hash="ab" * 32)
    answers: list[object] = []
    barrier = threading.Barrier(4)

    def race() -> None:
        own = type(session)(database_url, "racer")
        barrier.wait(10)
        with own.transaction() as cursor:
            answers.extend(submission.insert(cursor, [keyed]))
        own.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(type(answer).__name__ for answer in answers) == ["KeyTaken"] * 3 + ["Recorded"]
    assert len({answer.id for answer in answers}) == 1
