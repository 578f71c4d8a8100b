"""What the API counts: submissions by what became of them, people's actions, and its connections."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from statements import factories as f
from taskyard_api.app import create_app
from taskyard_api.settings import ApiSettings
from waiting import eventually


@pytest.fixture
def value(api_registry):
    """Returns the value of a series."""
    return lambda name, **labels: api_registry.get_sample_value(name, labels)


@pytest.fixture
def submitted(value):
    """Returns how many tasks had a result."""
    return lambda result, kind="sleep", queue="default": value(
        "taskyard_submissions_total", kind=kind, queue=queue, result=result
    )


def _sleep(**more: object) -> dict[str, object]:
    return {"name": "x", "kind": "sleep", **more}


def test_kinds_of_the_catalogue_are_at_0_once_the_api_is_ready(api, submitted):
    assert api.get("/readyz").status_code == 200
    for result in ("accepted", "replayed", "invalid", "rejected", "error"):
        assert submitted(result) == 0
        assert submitted(result, kind="unknown", queue="unknown") == 0


def test_submissions_are_counted_by_what_became_of_them(api, submitted):
    for _ in range(2):
        api.post("/tasks", json=_sleep(), headers={"Idempotency-Key": "a"})
    assert (submitted("accepted"), submitted("replayed")) == (1, 1)
    api.post("/tasks", json=_sleep(payload={"seconds": "long"}))
    api.post("/tasks", json=_sleep(name="other"), headers={"Idempotency-Key": "a"})
    assert submitted("invalid") == 2
    api.post("/tasks/batch", json={"tasks": [_sleep()] * 3})
    assert submitted("accepted") == 4
    api.post("/tasks/batch", json={"tasks": [_sleep(), _sleep(payload={"seconds": -1})]})
    assert submitted("invalid") == 4, "a batch is refused whole"


def test_what_a_client_writes_never_becomes_a_label(api, api_registry, submitted):
    api.post("/tasks", json={"name": "x", "kind": "no.such-kind"})
    api.post("/tasks", json=_sleep(queue="no-such-queue"))
    assert submitted("invalid", kind="unknown", queue="unknown") == 1
    assert submitted("invalid", queue="unknown") == 1
    samples = [sample for metric in api_registry.collect() for sample in metric.samples]
    assert [sample for sample in samples if re.search(r"no\Wsuch", str(sample.labels))] == []


def test_an_unexpected_error_is_no_acceptance(api, submitted, monkeypatch):
    parts = api.app.state.parts

    async def fall_over(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(parts.writer, "record", fall_over)
    assert api.post("/tasks", json=_sleep()).status_code == 500
    assert (submitted("error"), submitted("accepted")) == (1, 0)


def test_without_a_database_a_submission_is_rejected():
    registry = CollectorRegistry()
    app = create_app(ApiSettings(DATABASE_URL="postgresql+psycopg2://nobody:x@127.0.0.1:1/none", auth="none"), registry)
    with TestClient(app, raise_server_exceptions=False) as api:
        assert api.post("/tasks", json=_sleep()).status_code == 503
    labels = {"kind": "unknown", "queue": "unknown", "result": "rejected"}
    assert registry.get_sample_value("taskyard_submissions_total", labels) == 1


def test_actions_of_people_are_counted_done_or_refused(api, value):
    def actions(result: str) -> dict[str, float]:
        return {
            action: value("taskyard_operator_actions_total", action=action, result=result)
            for action in ("cancel", "retry", "delete", "edit", "pause", "resume")
        }

    assert set(actions("done").values()) == set(actions("refused").values()) == {0}
    task_id = api.post("/tasks", json=_sleep(delay_s=60)).json()["id"]
    for _ in range(2):  # the second time the status does not allow it
        api.patch(f"/tasks/{task_id}", json={"priority": 7})
        api.post(f"/tasks/{task_id}/cancel")
    for _ in range(2):
        api.post(f"/tasks/{task_id}/retry")
    for _ in range(2):
        api.delete(f"/tasks/{task_id}")
    for paused in (True, False):
        api.patch("/queues/default", json={"paused": paused})
    api.patch("/queues/none", json={"paused": True})
    assert actions("done") == {"cancel": 1, "retry": 1, "delete": 1, "edit": 1, "pause": 1, "resume": 1}
    assert actions("refused") == {"cancel": 1, "retry": 1, "delete": 1, "edit": 1, "pause": 1, "resume": 0}


def test_readers_are_shown_while_they_are_held_up_and_refuse_what_is_too_much(database_url, session):
    registry = CollectorRegistry()
    value = registry.get_sample_value
    app = create_app(ApiSettings(DATABASE_URL=database_url, auth="none", api_readers=2, api_reader_backlog=1), registry)
    task_id = f.insert(session)[0]
    with TestClient(app, raise_server_exceptions=False) as api, ThreadPoolExecutor(3) as clients:
        assert (value("taskyard_readers"), value("taskyard_readers_busy")) == (2, 0)
        with session.transaction() as cursor:
            cursor.execute("SELECT FROM tasks WHERE id = %s FOR UPDATE", (task_id,))
            waiting = [clients.submit(api.post, f"/tasks/{task_id}/cancel") for _ in range(3)]
            eventually(lambda: value("taskyard_readers_busy") == 2, "both are in use")
            eventually(lambda: api.app.state.parts.readers._room == 0, "one more waits")
            assert api.get(f"/tasks/{task_id}").status_code == 503
            assert value("taskyard_reader_rejections_total") == 1
        assert sorted(answer.result(30).status_code for answer in waiting) == [202, 409, 409]
        assert value("taskyard_readers_busy") == 0
        assert value("taskyard_reader_wait_seconds_count") > 0
