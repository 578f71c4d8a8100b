"""Laws of lists: whole, newest first, and of bounded cost."""

from datetime import UTC, datetime, timedelta

import pytest

from statements import factories as f
from taskyard.statements import reading, windows
from taskyard.statements.reading import Filter
from taskyard.states import Status


def _all(session, wanted: Filter, limit: int = 3) -> list[int]:
    found: list[int] = []
    while True:
        page = session.run(reading.page, wanted, limit)
        found += [task.id for task in page.tasks]
        if page.next_before_id is None:
            return found
        wanted = Filter(**{**{k: getattr(wanted, k) for k in wanted.__slots__}, "before_id": page.next_before_id})


def test_pages_give_every_task_once_newest_first(session):
    ids = f.insert(session, 10)
    assert _all(session, Filter()) == ids[::-1]


def test_filters_narrow_together(session):
    f.run_sql(session, "INSERT INTO queues (name) VALUES ('other')")
    plain = f.insert(session, 3)
    tagged = f.insert(session, 2, tags=("red", "big"), name="tagged")
    elsewhere = f.insert(session, 1, queue="other", kind="data.process")
    f.claim(session, plain[0])
    f.fail(session, plain[0])
    assert _all(session, Filter(statuses=[Status.FAILED])) == [plain[0]]
    assert _all(session, Filter(statuses=[Status.FAILED, Status.QUEUED], kind="sleep")) == (plain + tagged)[::-1]
    assert _all(session, Filter(tags=["red", "big"])) == tagged[::-1]
    assert _all(session, Filter(tags=["red", "small"])) == []
    assert _all(session, Filter(name="tagged", statuses=[Status.QUEUED])) == tagged[::-1]
    assert _all(session, Filter(queue="other", kind="data.process")) == elsewhere


def test_time_narrows_exactly(session):
    ids = f.insert(session, 6)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for day, task_id in enumerate(ids):
        f.run_sql(session, "UPDATE tasks SET created_at = %s WHERE id = %s", start + timedelta(days=day), task_id)
    wanted = Filter(created_from=start + timedelta(days=1), created_until=start + timedelta(days=4))
    assert _all(session, wanted) == ids[1:4][::-1]
    assert _all(session, Filter(created_from=start + timedelta(days=90))) == []
    assert _all(session, Filter(created_until=start)) == []


def test_a_page_looks_at_a_bounded_number_of_rows_and_says_where_to_go_on(session, monkeypatch):
    monkeypatch.setattr(windows, "EXAMINED", 5)
    [rare] = f.insert(session, 1, name="rare")
    f.insert(session, 12)
    first = session.run(reading.page, Filter(name="rare"), 10)
    assert first.tasks == []
    assert first.next_before_id is not None
    assert _all(session, Filter(name="rare")) == [rare]


@pytest.mark.parametrize("known", [True, False])
def test_a_task_has_ended_or_is_gone(session, known):
    [task_id] = f.insert(session)
    assert session.run(reading.finished_among, [task_id]) == []
    if known:
        f.claim(session, task_id)
        f.succeed(session, task_id)
    else:
        f.run_sql(session, "DELETE FROM tasks")
    assert session.run(reading.finished_among, [task_id]) == [task_id]
