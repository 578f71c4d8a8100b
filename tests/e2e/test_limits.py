"""The time limit that a worker sets all tasks, and the bound that it puts on a drain."""

import time

import pytest

pytestmark = pytest.mark.e2e

MAX_TASK_S = 3.0
GRACE_S = 1.0
"""As the stack sets it."""


def test_an_attempt_ends_at_the_smaller_limit_and_says_which_it_was(taskyard):
    taskyard.start(TASKYARD_MAX_TASK_S="1")
    own = taskyard.submit(payload={"seconds": 50}, timeout_s=0.5, max_attempts=1)
    workers = taskyard.submit(payload={"seconds": 50}, timeout_s=60, max_attempts=1)
    killed = taskyard.submit("test.stubborn", {"seconds": 50}, timeout_s=60, max_attempts=1)
    said = {
        own: "ran longer than its limit of 0.5 s",
        workers: "ran longer than the limit of 1 s that its worker sets all tasks (TASKYARD_MAX_TASK_S)",
        killed: "ran longer than the limit of 1 s that its worker sets all tasks (TASKYARD_MAX_TASK_S),"
        " did not end within 1 s of being interrupted, and was killed",
    }
    for task_id, message in said.items():
        task = taskyard.wait(task_id)
        assert (task["status"], task["reason"], task["error_message"]) == ("failed", "timeout", message)


def test_a_handler_is_told_the_limit_that_holds(taskyard):
    taskyard.start(TASKYARD_MAX_TASK_S="20")
    task = taskyard.wait(taskyard.submit("test.deadline"))
    assert 15 < task["result"] <= 20


def test_a_drain_ends_within_the_limit_and_the_grace(taskyard):
    taskyard.start(TASKYARD_MAX_TASK_S=str(MAX_TASK_S), TASKYARD_CONCURRENCY="2")
    running = [taskyard.submit("test.stubborn", {"seconds": 300}, max_attempts=1) for _ in range(2)]
    waiting = [taskyard.submit("test.stubborn", {"seconds": 300}, max_attempts=1) for _ in range(6)]
    for task_id in running:
        taskyard.wait_until(task_id, "running")
    began = time.monotonic()
    assert taskyard.workers[0].stop() == 0
    took_s = time.monotonic() - began
    assert took_s < MAX_TASK_S + GRACE_S + 4, f"the drain took {took_s:.1f} s"
    for task_id in running:
        task = taskyard.task(task_id)
        assert (task["status"], task["reason"]) == ("failed", "timeout")
    assert {taskyard.task(task_id)["status"] for task_id in waiting} == {"queued"}
