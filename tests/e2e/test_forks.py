"""A handler that forks, and forgets to end the process that it made."""

import pytest

pytestmark = pytest.mark.e2e


def test_a_fork_that_comes_back_from_its_handler_takes_no_part_in_the_work(taskyard):
    """It has its parent's connections: what it said on them would be answered to the other."""
    taskyard.start(TASKYARD_CONCURRENCY="1")
    [child] = taskyard.workers[0].children()
    stray = taskyard.submit("test.stray")
    after = [taskyard.submit() for _ in range(40)]
    task = taskyard.wait(stray)
    assert (task["status"], task["attempt"]) == ("succeeded", 1)
    assert task["result"] > 0  # the outcome is that of the process that was given the task
    for task_id in after:
        task = taskyard.wait(task_id)
        assert (task["status"], task["attempt"]) == ("succeeded", 1)
    assert [found.pid for found in taskyard.workers[0].children()] == [child.pid]
    assert not [left for left in child.children() if left.status() != "zombie"]
