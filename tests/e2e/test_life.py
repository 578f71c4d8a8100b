"""A task's life through all parts, as a user sees it."""

import json
import time

import pytest

from waiting import eventually

pytestmark = pytest.mark.e2e


def test_the_two_commands_of_the_oldest_user(taskyard):
    taskyard.start()
    answer = taskyard.client.post(
        "/tasks/", content='{"name": "Process Data"}', headers={"content-type": "application/json"}
    )
    assert answer.status_code == 201
    eventually(lambda: taskyard.client.get("/tasks/1").json()["status"] == "succeeded", "task 1 succeeds")
    assert taskyard.client.get("/tasks/1").json()["result"]["rows"] == 0


def test_a_csv_of_ten_thousand_lines_is_summed_up(taskyard):
    taskyard.start()
    lines = ["city,sales"] + [f"{('Oslo', 'Rome', 'Lima')[n % 3]},{n if n % 10 else ''}" for n in range(10_000)]
    task = taskyard.wait(taskyard.submit("data.process", {"csv": "\n".join(lines)}))
    assert task["status"] == "succeeded"
    assert task["result"]["rows"] == 10_000
    city, sales = task["result"]["columns"]
    assert (city["distinct"], city["top"][0]) == (3, {"value": "Oslo", "count": 3334})
    assert (sales["count"], sales["nulls"], sales["min"], sales["max"], sales["mean"]) == (9000, 1000, 1, 9999, 5000)


@pytest.mark.parametrize("how", ["raise", "retry"])
def test_a_task_that_fails_is_tried_again_until_it_succeeds(taskyard, how):
    taskyard.start()
    task = taskyard.wait(taskyard.submit("test.flaky", {"good": 3, "how": how}))
    assert (task["status"], task["result"]) == ("succeeded", 3)
    assert [attempt["outcome"] for attempt in task["attempts"]] == ["failed", "failed", "succeeded"]
    if how == "raise":
        assert "attempt 1 of 3" in task["attempts"][0]["traceback"]


def test_what_handlers_do_ends_as_it_should(taskyard):
    taskyard.start()
    spent = taskyard.submit("test.flaky", {"good": 9}, max_attempts=2)
    discarded = taskyard.submit("test.discard")
    unspeakable = taskyard.submit("test.unspeakable")
    left = taskyard.submit("test.die", {"how": "sys.exit"}, max_attempts=1)
    returned = {
        what: taskyard.submit("test.returns", {"what": what}) for what in ("large", "nan", "object", "nul", "model")
    }
    task = taskyard.wait(spent)
    assert (task["status"], task["reason"], task["attempt"]) == ("failed", "error", 2)
    assert (task["error_type"], task["error_message"]) == ("ValueError", "attempt 2 of 9")
    task = taskyard.wait(discarded)
    assert (task["status"], task["reason"], task["error_message"], task["attempt"]) == (
        "failed",
        "discarded",
        "no use",
        1,
    )
    assert "cannot be shown" in taskyard.wait(unspeakable)["error_message"]
    assert taskyard.wait(left)["error_type"] == "SystemExit"
    for what in ("large", "nan", "object", "nul"):
        task = taskyard.wait(returned[what])
        assert (task["status"], task["reason"], task["attempt"]) == ("failed", "invalid_result", 1), what
    assert "1048579 bytes" in taskyard.task(returned["large"])["error_message"]
    assert taskyard.wait(returned["model"])["result"] == {"what": "model"}


def test_a_payload_that_no_longer_fits_fails_once_and_says_so(taskyard, session):
    taskyard.start()
    with session.transaction() as cursor:  # as if the handler's model had changed since the task was submitted
        cursor.execute("UPDATE kinds SET payload_schema = '{}' WHERE name = 'test.flaky'")
    submitted = eventually(
        lambda: (
            (
                answer := taskyard.client.post(
                    "/tasks",
                    json={"name": "old", "kind": "test.flaky", "payload": {"good": "often", "secret": "hunter2"}},
                )
            ).status_code
            == 201
            and answer
        ),
        "the catalogue is read again",
    )
    task = taskyard.wait(submitted.json()["id"])
    assert (task["status"], task["reason"], task["attempt"]) == ("failed", "invalid_payload", 1)
    assert "good" in task["error_message"]
    assert "hunter2" not in json.dumps(task["attempts"])


def test_a_task_waits_for_its_time_and_no_longer(taskyard):
    taskyard.start()
    task_id = taskyard.submit("test.returns", {"what": "now"}, delay_s=1.5)
    assert taskyard.task(task_id)["status"] == "scheduled"
    task = taskyard.wait(task_id)
    assert task["run_at"] <= task["started_at"]
    late_s = _seconds(task["started_at"]) - _seconds(task["run_at"])
    assert late_s < 2


def test_cancelling_what_waits_and_what_runs(taskyard, tmp_path):
    taskyard.start()
    trace = tmp_path / "trace"
    waiting = taskyard.submit(delay_s=60)
    polite = taskyard.submit("test.polite", {"file": str(trace), "seconds": 50})
    assert taskyard.client.post(f"/tasks/{waiting}/cancel").json()["status"] == "cancelled"
    taskyard.wait_until(polite, "running")
    asked = time.monotonic()
    assert taskyard.client.post(f"/tasks/{polite}/cancel").status_code == 202
    eventually(lambda: trace.read_text() == "cleaned up\n", "the handler was told", 5)
    assert time.monotonic() - asked < 5
    task = taskyard.wait(polite)
    assert (task["status"], task["reason"], task["attempts"][0]["outcome"]) == ("cancelled", "cancelled", "cancelled")


def test_cancelling_an_async_handler_and_one_that_does_not_listen(taskyard, tmp_path):
    taskyard.start()
    trace = tmp_path / "trace"
    polite = taskyard.submit("test.async", {"file": str(trace), "seconds": 50})
    stubborn = taskyard.submit("test.stubborn", {"seconds": 50})
    for task_id in (polite, stubborn):
        taskyard.wait_until(task_id, "running")
        taskyard.client.post(f"/tasks/{task_id}/cancel")
    for task_id in (polite, stubborn):
        assert taskyard.wait(task_id)["status"] == "cancelled"
    assert trace.read_text() == "cleaned up\n"
    # The child that did not listen was killed; another took its place, and the message is not run again.
    assert taskyard.wait(taskyard.submit())["status"] == "succeeded"
    assert [attempt["outcome"] for attempt in taskyard.task(stubborn)["attempts"]] == ["cancelled"]


def test_time_limits_soft_and_hard(taskyard):
    taskyard.start()
    soft = taskyard.submit("sleep", {"seconds": 50}, timeout_s=0.5, max_attempts=1)
    coroutine = taskyard.submit("test.async", {"file": "/dev/null", "seconds": 50}, timeout_s=0.5, max_attempts=1)
    hard = taskyard.submit("test.stubborn", {"seconds": 50}, timeout_s=0.5, max_attempts=2)
    for task_id in (soft, coroutine, hard):
        task = taskyard.wait(task_id)
        assert (task["status"], task["reason"], task["error_type"]) == ("failed", "timeout", "TaskTimedOut")
    assert [attempt["reason"] for attempt in taskyard.task(hard)["attempts"]] == ["timeout", "timeout"]


def test_progress_is_seen_while_it_runs(taskyard):
    taskyard.start()
    task_id = taskyard.submit("test.progress", {"file": "", "seconds": 20})
    eventually(lambda: taskyard.task(task_id)["progress"] == 0.5, "progress is shown")
    assert taskyard.task(task_id)["progress_note"] == "half way"


def test_a_paused_queue_starts_nothing_until_it_is_resumed(taskyard):
    taskyard.start()
    taskyard.client.patch("/queues/default", json={"paused": True})
    paused = taskyard.submit()
    other = taskyard.submit("test.elsewhere")
    assert taskyard.wait(other)["status"] == "succeeded"
    assert taskyard.task(paused)["status"] == "queued"
    taskyard.client.patch("/queues/default", json={"paused": False})
    assert taskyard.wait(paused)["status"] == "succeeded"


def test_higher_priority_goes_first(taskyard):
    taskyard.start(TASKYARD_CONCURRENCY="1")
    taskyard.client.patch("/queues/default", json={"paused": True})
    task_ids = {priority: taskyard.submit(priority=priority) for priority in (1, 9, 5)}
    taskyard.client.patch("/queues/default", json={"paused": False, "dispatch_window": 1})
    started = {priority: taskyard.wait(task_id)["started_at"] for priority, task_id in task_ids.items()}
    assert started[9] < started[5] < started[1]


def test_a_worker_with_handlers_that_cannot_be_imported_stops_and_names_them(taskyard):
    worker = taskyard.part("worker", TASKYARD_HANDLERS="no.such.module")
    assert worker.process.wait(60) != 0
    assert worker.said("cannot import handlers from 'no.such.module'")


def _seconds(text: str) -> float:
    from datetime import datetime  # noqa: PLC0415 - only here

    return datetime.fromisoformat(text).timestamp()
