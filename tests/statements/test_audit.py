"""The audit: exact for members of batches, in bounded pages, and only ever added to."""

from datetime import timedelta

import psycopg2
import pytest

from statements import factories as f
from taskyard.statements import audit, windows
from taskyard.statements.audit import Action, Deed, Filter


def _record(session, *deeds: Deed) -> None:
    session.run(audit.record, deeds)


def _found(session, limit=50, **wanted) -> list[tuple[str, list[int]]]:
    page = session.run(audit.page, Filter(**wanted), limit)
    return [(entry.action, entry.task_ids) for entry in page.entries]


def test_what_is_recorded_is_read_newest_first_as_it_was(session):
    first = Deed("ty_a", Action.TASK_EDIT, (7,), source="10.0.0.1", request_id="r1", detail={"values": {"name": "é"}})
    second = Deed("cli:root", Action.KEY_REVOKE, key_id="ty_b")
    _record(session, first, second)
    newest, oldest = session.run(audit.page, Filter(), 50).entries
    assert (oldest.actor, oldest.action, oldest.task_ids, oldest.source, oldest.request_id, oldest.detail) == (
        *("ty_a", "task.edit", [7], "10.0.0.1", "r1"),
        {"values": {"name": "é"}},
    )
    assert (newest.actor, newest.key_id, newest.task_ids, newest.detail) == ("cli:root", "ty_b", [], None)


def test_a_task_is_found_as_a_member_of_its_batch_and_of_no_other(session):
    """The batches are interleaved, as those of two API processes can be."""
    _record(
        session,
        Deed("a", Action.TASK_SUBMIT_BATCH, (1, 3, 5, 90_000)),
        Deed("b", Action.TASK_SUBMIT_BATCH, (2, 4, 6)),
        Deed("a", Action.TASK_CANCEL, (4,)),
        Deed("a", Action.TASK_SUBMIT, (7,)),
        Deed("a", Action.QUEUE_EDIT, queue="default"),
    )
    assert _found(session, task_id=4) == [("task.cancel", [4]), ("task.submit_batch", [2, 4, 6])]
    assert _found(session, task_id=5) == [("task.submit_batch", [1, 3, 5, 90_000])]
    assert _found(session, task_id=90_000) == [("task.submit_batch", [1, 3, 5, 90_000])]
    assert _found(session, task_id=7) == [("task.submit", [7])]
    assert _found(session, task_id=8) == []


def test_each_filter_narrows(session):
    _record(
        session,
        Deed("a", Action.TASK_SUBMIT, (1,)),
        Deed("b", Action.QUEUE_EDIT, queue="default"),
        Deed("b", Action.KEY_CREATE, key_id="ty_b"),
        Deed("c", Action.QUEUE_EDIT, queue="other"),
    )
    assert _found(session, actor="b") == [("key.create", []), ("queue.edit", [])]
    assert _found(session, queue="default") == [("queue.edit", [])]
    assert _found(session, key_id="ty_b") == [("key.create", [])]
    assert _found(session, action=Action.TASK_SUBMIT) == [("task.submit", [1])]
    assert _found(session, action=Action.QUEUE_EDIT, actor="a") == []
    [newest, *_] = session.run(audit.page, Filter(), 1).entries
    assert len(_found(session, at_from=newest.at)) == 1
    assert len(_found(session, at_until=newest.at)) == 3
    assert _found(session, at_from=newest.at + timedelta(seconds=1)) == []


def test_pages_follow_one_another_without_gap(session):
    _record(session, *[Deed("a", Action.TASK_SUBMIT, (number,)) for number in range(1, 8)])
    seen, before_id = [], None
    while True:
        page = session.run(audit.page, Filter(before_id=before_id), 3)
        seen += [entry.task_ids[0] for entry in page.entries]
        before_id = page.next_before_id
        if before_id is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_a_rare_row_costs_many_small_pages_and_not_one_large(session, monkeypatch):
    monkeypatch.setattr(windows, "EXAMINED", 5)
    _record(session, Deed("rare", Action.TASK_SUBMIT, (1,)), *[Deed("a", Action.TASK_SUBMIT, (9,))] * 12)
    page = session.run(audit.page, Filter(actor="rare"), 50)
    assert (page.entries, page.next_before_id is not None) == ([], True)
    pages = 1
    while page.next_before_id is not None:
        page = session.run(audit.page, Filter(actor="rare", before_id=page.next_before_id), 50)
        pages += 1
    assert ([entry.actor for entry in page.entries], pages) == (["rare"], 3)


def test_what_is_no_submission_is_found_past_any_number_of_them(session, monkeypatch):
    monkeypatch.setattr(windows, "EXAMINED", 5)
    _record(session, Deed("b", Action.QUEUE_EDIT, queue="default"), *[Deed("a", Action.TASK_SUBMIT, (9,))] * 12)
    assert _found(session, queue="default") == [("queue.edit", [])]
    assert _found(session, action=Action.QUEUE_EDIT) == [("queue.edit", [])]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(task_id=77), "audit_batch_ix"),
        (Filter(task_id=77), "audit_task_ix"),
        (Filter(queue="default"), "audit_rare_ix"),
    ],
)
def test_what_finds_a_task_or_a_queue_is_an_index(session, wanted, index):
    f.run_sql(
        session,
        """INSERT INTO audit (actor, action, task_ids)
           SELECT 'a', 'task.submit', ARRAY[id] FROM generate_series(1, 20000) AS id
            UNION ALL SELECT 'a', 'task.submit_batch', ARRAY[id, id + 1] FROM generate_series(1, 20000, 2) AS id""",
    )
    f.run_sql(session, "ANALYZE audit")
    plans = []
    original = windows.page

    def explained(cursor, selected, bounds, judges, values, limit):
        cursor.execute(f"EXPLAIN {selected} WHERE {' AND '.join(bounds)} ORDER BY id DESC LIMIT 20000", values)
        plans.append("\n".join(line for (line,) in cursor.fetchall()))
        return original(cursor, selected, bounds, judges, values, limit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "page", explained)
        session.run(audit.page, wanted, 50)
    assert index in plans[0]
    assert "Seq Scan" not in plans[0]


@pytest.mark.parametrize("change", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
def test_rows_are_never_changed_nor_deleted_even_by_the_owner(session, change):
    _record(session, Deed("a", Action.TASK_SUBMIT, (1,)))
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="only added"):
        f.run_sql(session, change)
    assert len(_found(session)) == 1
