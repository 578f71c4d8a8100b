"""The counters are right at any moment, and no writer waits for another because of them."""

import threading

from statements import factories as f
from taskyard.statements import editing, queues, retention


def _live_through_everything(session) -> None:
    ids = f.insert(session, 8) + f.insert(session, delay_s=60)
    for task_id in ids[:5]:
        f.claim(session, task_id)
    f.succeed(session, ids[0])
    f.fail(session, ids[1])
    f.fail(session, ids[2], due_in_s=0)
    f.fail(session, ids[3], due_in_s=60)
    f.promote(session)
    with session.transaction() as cursor:
        editing.cancel_waiting(cursor, editing.lock(cursor, ids[5]))
        editing.retry(cursor, editing.lock(cursor, ids[1]))
        editing.delete(cursor, editing.lock(cursor, ids[0]))
        editing.edit(cursor, editing.lock(cursor, ids[6]), {"queue": "other"})


def test_counters_equal_a_full_count_before_and_after_folding(session):
    f.run_sql(session, "INSERT INTO queues (name) VALUES ('other')")
    _live_through_everything(session)
    assert f.counted(session) == f.recounted(session)
    assert session.run(queues.fold).moves > 0
    assert session.run(queues.fold).moves == 0
    assert f.counted(session) == f.recounted(session)


def test_counters_stay_right_while_32_write_and_one_folds(session, database_url):
    done = threading.Event()
    waits: list[int] = []

    def write() -> None:
        own = type(session)(database_url, "writer")
        for _ in range(20):
            [task_id] = f.insert(own)
            f.claim(own, task_id)
            f.succeed(own, task_id)
        own.close()

    def fold() -> None:
        own = type(session)(database_url, "folder")
        while not done.is_set():
            own.run(queues.fold)
            waits.append(
                f.rows(
                    own,
                    """SELECT count(*) FROM pg_stat_activity
                        WHERE application_name = 'writer' AND wait_event_type = 'Lock'
                          AND wait_event IN ('tuple', 'transactionid')""",
                )[0][0]
            )
        own.close()

    writers = [threading.Thread(target=write) for _ in range(32)]
    folder = threading.Thread(target=fold)
    for thread in [folder, *writers]:
        thread.start()
    for thread in writers:
        thread.join(120)
    done.set()
    folder.join(30)
    assert f.counted(session) == f.recounted(session) == {("default", "succeeded"): 640}
    assert max(waits) == 0


def test_a_queue_shows_its_counters_and_how_long_its_oldest_task_waits(session):
    f.insert(session, 3)
    f.run_sql(session, "UPDATE ready SET run_at = now() - interval '1 minute' WHERE task_id = 2")
    [queue] = session.run(queues.overview, "default")
    assert queue.tasks["queued"] == 3
    assert queue.tasks["failed"] == 0
    assert 60 <= queue.oldest_waiting_s < 90


def test_retention_deletes_what_ended_long_ago_and_nothing_else(session):
    ids = f.insert(session, 6)
    for task_id in ids[:4]:
        f.claim(session, task_id)
        f.succeed(session, task_id)
    f.run_sql(session, "UPDATE tasks SET created_at = created_at - interval '2 days'")
    f.run_sql(session, "UPDATE tasks SET finished_at = finished_at - interval '2 days' WHERE id <= %s", ids[2])
    mark = retention.Mark(__import__("datetime").datetime.fromtimestamp(0, __import__("datetime").UTC), 0)
    deleted = 0
    while mark is not None:
        count, mark = session.run(retention.prune, mark, 86_400, 2)
        deleted += count
    assert deleted == 3
    assert [task_id for (task_id,) in f.rows(session, "SELECT id FROM tasks ORDER BY id")] == ids[3:]
    assert f.rows(session, "SELECT DISTINCT task_id FROM attempts") == [(ids[3],)]
    assert f.counted(session) == f.recounted(session)
