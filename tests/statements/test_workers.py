"""What each worker runs, found without a look at what is over."""

import json

from statements import factories as f
from taskyard.statements import workers


def _running(session, worker: str, age_s: float) -> int:
    [task_id] = f.insert(session)
    f.claim(session, task_id, worker=worker)
    f.run_sql(session, "UPDATE tasks SET started_at = now() - make_interval(secs => %s) WHERE id = %s", age_s, task_id)
    return task_id


def test_the_oldest_attempt_of_each_busy_worker_counts(session):
    for worker, age_s in (("a", 5), ("a", 500), ("b", 0), ("c", 70)):
        _running(session, worker, age_s)
    f.succeed(session, _running(session, "c", 7000))
    f.succeed(session, _running(session, "idle", 7000))
    f.insert(session)
    oldest_s = session.run(workers.oldest_s)
    assert oldest_s.keys() == {"a", "b", "c"}
    assert 500 <= oldest_s["a"] < 560
    assert 0 <= oldest_s["b"] < 60
    assert 70 <= oldest_s["c"] < 130


def test_a_clock_that_was_set_back_makes_no_negative_age(session):
    _running(session, "a", -100)
    assert session.run(workers.oldest_s) == {"a": 0}


def test_a_large_table_is_not_read(session):
    f.run_sql(
        session,
        """INSERT INTO tasks (run_at, finished_at, timeout_s, max_attempts, priority, status, name, kind, queue,
                              payload)
           SELECT now(), now(), 60, 1, 4, 'succeeded', 'x', 'sleep', 'default', '{}' FROM generate_series(1, 50000)""",
    )
    for number in range(20):
        _running(session, f"w{number}", number)
    f.run_sql(session, "ANALYZE tasks")
    [[plan]] = f.rows(session, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + workers._OLDEST)
    text = json.dumps(plan)
    assert "tasks_lease_ix" in text, text
    assert "Seq Scan" not in text, text
    assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] < 100
