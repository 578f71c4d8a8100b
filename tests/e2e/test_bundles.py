"""Short tasks that share messages: each keeps its own attempt and outcome, whatever happens to the others."""

import pytest

from e2e.traces import starts
from statements import factories as f
from waiting import eventually

pytestmark = pytest.mark.e2e

_MANY = 300
_MESSAGES_AT_MOST = 40


@pytest.fixture
def hand_in(taskyard, session, rabbitmq):
    """A function that hands in tasks of a kind known to be short, and returns their ids when all are in RabbitMQ."""

    def hand_in(kind, payloads):
        taskyard.part("api")
        worker = taskyard.part("worker")  # says which kinds there are
        known = "SELECT count(*) FROM kinds WHERE name = 'test.traced'"
        eventually(lambda: f.rows(session, known) == [(1,)], "the kinds are known", 60)
        worker.stop()
        f.run_sql(session, "UPDATE kinds SET recent_run_s = 0.001 WHERE name = %s", kind)
        eventually(lambda: taskyard.client.get("/readyz").status_code == 200, "the API is ready")
        tasks = [{"name": kind, "kind": kind, "payload": payload} for payload in payloads]
        answer = taskyard.client.post("/tasks/batch", json={"tasks": tasks})
        assert answer.status_code == 201, answer.text
        taskyard.part("dispatcher")
        waiting = "SELECT count(*) FROM ready WHERE dispatched_at IS NULL"
        eventually(lambda: f.rows(session, waiting) == [(0,)], "all are in RabbitMQ")
        assert rabbitmq.depth("tasks.default") < _MESSAGES_AT_MOST
        return [task["id"] for task in answer.json()["tasks"]]

    return hand_in


def _ended(session, *, but=()):
    """Return how the attempts of all tasks ended, without those of the tasks `but`: (number, outcome), and how many."""
    counted = "SELECT attempt, outcome, count(*) FROM attempts WHERE task_id <> ALL(%s) GROUP BY 1, 2"
    return f.rows(session, counted, list(but))


def _is_clean(taskyard, session, rabbitmq):
    assert taskyard.client.get("/admin/consistency").json()["violations"] == []
    eventually(lambda: rabbitmq.depth("tasks.default") == 0, "RabbitMQ is empty")
    assert f.rows(session, "SELECT count(*) FROM ready") == [(0,)]


def test_each_task_of_a_message_has_its_own_attempt_and_outcome(taskyard, session, rabbitmq, hand_in):
    good = [1 + number % 3 for number in range(_MANY)]  # the attempt at which each succeeds
    task_ids = hand_in("test.flaky", [{"good": attempt} for attempt in good])
    taskyard.part("worker")
    taskyard.wait_for_all(task_ids, 120)
    third = _MANY // 3
    assert sorted(_ended(session)) == [
        (1, "failed", 2 * third),
        (1, "succeeded", third),
        (2, "failed", third),
        (2, "succeeded", third),
        (3, "succeeded", third),
    ]
    results = f.rows(session, "SELECT result FROM tasks ORDER BY id")
    assert [result for (result,) in results] == good
    _is_clean(taskyard, session, rabbitmq)


def test_a_task_that_takes_long_keeps_nobody_waiting(taskyard, session, rabbitmq, hand_in):
    task_ids = hand_in("sleep", [{"seconds": 25 if number == 3 else 0} for number in range(_MANY)])
    long = task_ids[3]
    taskyard.part("worker", TASKYARD_CONCURRENCY="2")
    taskyard.wait_until(long, "running", 60)
    others = "SELECT count(*) FROM tasks WHERE status <> 'succeeded'"
    eventually(lambda: f.rows(session, others) == [(1,)], "all others have ended", 20)
    assert taskyard.task(long)["status"] == "running"
    assert _ended(session) == [(1, "succeeded", _MANY - 1)]
    assert taskyard.wait(long)["status"] == "succeeded"
    _is_clean(taskyard, session, rabbitmq)


def test_what_kills_its_worker_takes_no_others_with_it(taskyard, session, rabbitmq, hand_in, tmp_path):
    file = tmp_path / "trace"
    task_ids = hand_in("test.traced", [{"file": str(file), "dies": number == 7} for number in range(_MANY)])
    deadly = task_ids[7]
    taskyard.part("worker", TASKYARD_CONCURRENCY="2", TASKYARD_LEASE_S="20")  # a busy machine sees a death late
    taskyard.wait_for_all(task_ids, 120)
    task = taskyard.task(deadly)
    assert (task["status"], task["reason"], task["attempt"]) == ("failed", "worker_lost", 3)
    assert _ended(session, but=[deadly]) == [(1, "succeeded", _MANY - 1)]
    begun = starts(file)
    assert sorted(begun) == sorted([f"{task_id}.1" for task_id in task_ids] + [f"{deadly}.2", f"{deadly}.3"])
    _is_clean(taskyard, session, rabbitmq)
