"""Long polls are answered, whatever became of earlier looks."""

from concurrent.futures import ThreadPoolExecutor

from statements import factories as f
from waiting import eventually

LONG_POLLS = "taskyard_long_polls"


def test_a_poll_is_answered_though_a_look_failed(api, api_registry, session, capsys):
    task_id = api.post("/tasks", json={"name": "n", "kind": "sleep"}).json()["id"]
    with ThreadPoolExecutor(1) as thread:
        polling = thread.submit(api.get, f"/tasks/{task_id}", params={"wait_s": 60})
        eventually(lambda: api_registry.get_sample_value(LONG_POLLS) == 1, "the poll waits")
        f.run_sql(session, "ALTER TABLE tasks RENAME COLUMN status TO hidden")
        eventually(lambda: "could not be looked at" in capsys.readouterr().out, "a look fails")
        f.run_sql(session, "ALTER TABLE tasks RENAME COLUMN hidden TO status")
        f.claim(session, task_id)
        f.succeed(session, task_id)
        assert polling.result(30).json()["status"] == "succeeded"
