"""Laws of recording new tasks."""

import threading
from dataclasses import replace

import psycopg2.errors
import pytest

from statements import factories as f
from taskyard.statements import audit, submission
from taskyard.statements.audit import Action, Deed, Filter
from taskyard.statements.submission import KeyTaken, Recorded


def test_tasks_are_numbered_in_their_order(session):
    tasks = [replace(f.PLAIN, name=f"task {number}") for number in range(200)]
    made = session.run(submission.insert, tasks)
    ids = [one.id for one in made]
    assert ids == sorted(ids)
    assert [f.read(session, id_).name for id_ in ids[:3]] == ["task 0", "task 1", "task 2"]


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


def _keyed(key: str):
    return replace(f.PLAIN, idempotency_key=key, request_hash="ab" * 32)


def _deed(request_id: str, *, batch: bool = False) -> Deed:
    action = Action.TASK_SUBMIT_BATCH if batch else Action.TASK_SUBMIT
    return Deed("ty_somebody", action, source="10.0.0.1", request_id=request_id, detail={"of": request_id})


def _audited(session) -> list[tuple]:
    entries = session.run(audit.page, Filter(), 1000).entries[::-1]
    assert all(entry.detail == {"of": entry.request_id} for entry in entries)
    return [(entry.request_id, entry.action, entry.task_ids) for entry in entries]


def test_each_deed_is_recorded_with_the_ids_of_its_own_new_tasks(session):
    [taken] = session.run(submission.insert, [_keyed("taken")])
    tasks = [f.PLAIN, _keyed("b"), *[f.PLAIN] * 3, _keyed("taken"), f.PLAIN, _keyed("a"), _keyed("b"), f.PLAIN]
    deeds = [
        (_deed("one"), range(1)),
        (_deed("keyed"), range(1, 2)),
        (_deed("three", batch=True), range(2, 5)),
        (_deed("replayed"), range(5, 6)),
        # nobody tells of the task at 6
        (_deed("later in the alphabet, earlier in the batch"), range(7, 8)),
        (_deed("the same key at once"), range(8, 9)),
        (_deed("last"), range(9, 10)),
    ]
    made = session.run(submission.insert, tasks, deeds)
    ids = [one.id for one in made]
    assert [type(one) for one in made] == [KeyTaken if place in (5, 8) else Recorded for place in range(10)]
    assert (ids[5], ids[8]) == (taken.id, ids[1])
    new = [id_ for place, id_ in enumerate(ids) if place not in (5, 8)]
    assert new == sorted(new)
    assert _audited(session) == [
        ("one", "task.submit", [ids[0]]),
        ("keyed", "task.submit", [ids[1]]),
        ("three", "task.submit_batch", ids[2:5]),
        ("later in the alphabet, earlier in the batch", "task.submit", [ids[7]]),
        ("last", "task.submit", [ids[9]]),
    ]


def test_a_thousand_tasks_of_many_requests_are_told_apart(session):
    tasks = [_keyed(f"{place}") if place % 3 == 0 else f.PLAIN for place in range(1000)]
    ends = [1, 2, 400, 401, 900, 1000]
    places = [range(first, last) for first, last in zip([0, *ends], ends, strict=False)]
    deeds = [(_deed(f"{one.start}"), one) for one in places]
    ids = [one.id for one in session.run(submission.insert, tasks, deeds)]
    assert ids == sorted(ids)
    assert [told[2] for told in _audited(session)] == [[ids[place] for place in one] for one in places]


def test_what_cannot_be_audited_is_not_done(session):
    nameless = replace(_deed("nobody"), actor=None)
    with pytest.raises(psycopg2.errors.NotNullViolation):
        session.run(submission.insert, [f.PLAIN, f.PLAIN], [(_deed("one"), range(1)), (nameless, range(1, 2))])
    assert (f.recounted(session), f.ready(session), _audited(session)) == ({}, [], [])


def test_a_commit_is_one_round_trip_with_keys_and_audit_too(session):
    def sent(cursor, key: str) -> bytes:
        submission.insert(cursor, [f.PLAIN, _keyed(key)], [(_deed(key), range(2))])
        return cursor.query.partition(b" ")[0]

    session.run(sent, "first")
    with session.transaction() as cursor:
        cursor.execute(
            "SELECT calls FROM pg_prepared_statements, LATERAL (SELECT generic_plans + custom_plans AS calls) n"
        )
        assert cursor.fetchall() == [(1,)]
    assert session.run(sent, "second") == b"EXECUTE", "nothing was asked after it"
    session.close()
    assert session.run(sent, "on another connection") == b"EXECUTE"
    assert [told[0] for told in _audited(session)] == ["first", "second", "on another connection"]


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
