"""`taskyard verify` against an installation that it did not start."""

import pytest

from statements import factories as f
from taskyard.verify import remote
from waiting import eventually

pytestmark = pytest.mark.e2e


def verify(taskyard, told=lambda _: None, **changes):
    """Return the exit status, and what was printed; `told` is told each line as it comes."""
    said = []

    def say(line):
        said.append(line)
        told(line)

    order = {"key": None, "tasks": 60, "seed": 7, "rate_per_s": 200.0, "longest_s": 0.5, "wait_s": 60.0, **changes}
    status = remote.run(remote.Order(str(taskyard.client.base_url), **order), say)
    return status, "\n".join(said)


def test_an_installation_that_works_is_found_good(taskyard, session):
    taskyard.start()
    status, said = verify(taskyard)
    assert status == 0, said
    assert "every promise was kept" in said.splitlines()[-1]
    [(writing, written)] = f.rows(
        session, "SELECT count(*) FILTER (WHERE kind = 'verify.write'), (SELECT count(*) FROM verify_writes) FROM tasks"
    )
    assert writing == written > 0


def test_tasks_that_do_not_end_are_called_lost(taskyard):
    taskyard.start()
    taskyard.client.patch("/queues/default", json={"paused": True}).raise_for_status()
    status, said = verify(taskyard, tasks=5, wait_s=2.0)
    assert status == 1
    assert "FOUND lost: answered with 201, and not ended: 5" in said


def test_a_task_that_is_gone_is_called_lost(taskyard):
    taskyard.start()
    taskyard.client.patch("/queues/default", json={"paused": True}).raise_for_status()

    def lose_one(line):
        if "all are taken" in line:
            [newest] = taskyard.client.get("/tasks", params={"limit": 1}).json()["tasks"]
            taskyard.client.delete(f"/tasks/{newest['id']}").raise_for_status()

    status, said = verify(taskyard, lose_one, tasks=5, wait_s=2.0)
    assert status == 1
    assert "FOUND lost: answered with 201, and not there: 1" in said
    assert "FOUND lost: answered with 201, and not ended: 4" in said


def test_what_can_never_be_submitted_ends_it_at_once(taskyard, session):
    taskyard.start()
    f.run_sql(session, "DELETE FROM kinds WHERE name = 'verify.write'")
    taskyard.api.stop()
    taskyard.api.start()
    eventually(lambda: taskyard.client.get("/readyz").status_code == 200, "the API is ready")
    status, said = verify(taskyard)
    assert status == 2
    assert "verify.write" in said
