"""Kinds, queues, health, the edge of the API, and its behaviour in bad times."""

import json
import threading

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from statements import factories as f
from taskyard_api.app import create_app
from taskyard_api.settings import ApiSettings
from waiting import eventually


def test_kinds_show_what_can_be_submitted(api):
    kinds = {kind["name"]: kind for kind in api.get("/kinds").json()["kinds"]}
    assert set(kinds) == {"data.process", "email.send", "http.request", "image.thumbnail", "sleep"}
    one = api.get("/kinds/http.request").json()
    assert one == kinds["http.request"]
    assert "url" in one["payload_schema"]["required"]
    assert api.get("/kinds/no.such").status_code == 404


def test_a_queue_is_paused_and_resumed(api, session):
    f.insert(session, 2)
    queue = api.patch("/queues/default", json={"paused": True}).json()
    assert (queue["paused"], queue["tasks"]["queued"]) == (True, 2)
    assert api.get("/queues").json()["queues"][0]["paused"] is True
    assert api.patch("/queues/default", json={"paused": False, "dispatch_window": 5}).json()["dispatch_window"] == 5
    assert api.patch("/queues/default", json={"dispatch_window": None}).json()["dispatch_window"] is None
    assert api.patch("/queues/no-such", json={"paused": True}).status_code == 404
    for body in ({"paused": None}, {"paused": 1}, {"dispatch_window": 0}, {"typo": 1}):
        assert api.patch("/queues/default", json=body).status_code == 422, body


def test_the_edge_gives_every_request_an_id(api):
    assert api.get("/livez", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = api.get("/livez", headers={"X-Request-ID": "bad id\x7f"}).headers["x-request-id"]
    assert len(made) == 32


def test_what_there_is_not_is_a_problem_too(api):
    missing = api.get("/no/such")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = api.put("/tasks")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")


def test_the_docs_need_nothing_from_elsewhere(api):
    page = api.get("/docs").text
    assert "//" not in page.replace("<!DOCTYPE", "")
    for asset in ("docs/assets/swagger-ui-bundle.js", "docs/assets/swagger-ui.css", "docs/assets/favicon-32x32.png"):
        assert asset in page
        assert len(api.get(f"/{asset}").content) > 500
    assert api.get("/", follow_redirects=True).text == page


def test_openapi_documents_the_errors_of_every_call(api):
    document = api.get("/openapi.json").json()
    assert "HTTPValidationError" not in json.dumps(document)
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            if path == "/livez":
                continue
            assert "503" in call["responses"], (method, path)
            if "{" in path or call.get("parameters") or call.get("requestBody"):
                assert "422" in call["responses"], (method, path)
            if "{" in path:
                assert "404" in call["responses"], (method, path)


def test_metrics_count_by_route_not_by_path(api, api_registry):
    api.get("/tasks/1")
    api.get("/tasks/2")
    api.get("/rubbish")
    labels = {"method": "GET", "route": "/tasks/{task_id}", "status": "404"}
    assert api_registry.get_sample_value("taskyard_http_requests_total", labels) == 2
    labels["route"] = "<unmatched>"
    assert api_registry.get_sample_value("taskyard_http_requests_total", labels) == 1


def test_without_a_database_every_call_says_so_and_liveness_does_not_care():
    url = "postgresql+psycopg2://nobody:x@127.0.0.1:1/none"
    app = create_app(ApiSettings(DATABASE_URL=url, auth="none"), CollectorRegistry())
    with TestClient(app, raise_server_exceptions=False) as api:
        assert api.get("/livez").status_code == 200
        for answer in (
            api.get("/readyz"),
            api.get("/tasks/1"),
            api.post("/tasks", json={"name": "x"}),
            api.get("/queues"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert "x@" not in answer.text


def test_a_database_without_tables_is_no_error_of_ours(postgresql):
    app = create_app(ApiSettings(DATABASE_URL=postgresql.url, auth="none"), CollectorRegistry())
    with TestClient(app, raise_server_exceptions=False) as api:
        for answer in (api.get("/readyz"), api.get("/tasks/1"), api.post("/tasks", json={"name": "x"})):
            assert answer.status_code == 503
            assert "taskyard migrate" in answer.json()["detail"]


def test_service_comes_back_by_itself_after_connections_were_cut(api, session):
    assert api.post("/tasks", json={"name": "before"}).status_code == 201
    f.rows(
        session,
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()""",
    )
    eventually(
        lambda: f.rows(session, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") == [(1,)],
        "the connections are gone",
    )
    assert api.post("/tasks", json={"name": "after"}).status_code == 201
    assert api.get("/tasks/1").status_code == 200


def test_a_full_line_is_503_at_once_and_loses_nothing(database_url, session):
    settings = ApiSettings(DATABASE_URL=database_url, auth="none", api_writer_tasks=5)
    app = create_app(settings, CollectorRegistry())
    with TestClient(app, raise_server_exceptions=False) as api:
        api.post("/tasks", json={"name": "first"})
        statuses: list[int] = []
        locked = session.transaction()
        cursor = locked.__enter__()
        cursor.execute("LOCK TABLE tasks IN SHARE MODE")  # the writer waits in its commit
        threads = [
            threading.Thread(target=lambda: statuses.append(api.post("/tasks", json={"name": "x"}).status_code))
            for _ in range(30)
        ]
        for thread in threads:
            thread.start()
        eventually(lambda: 503 in statuses, "the line is full")
        locked.__exit__(None, None, None)
        for thread in threads:
            thread.join(30)
        assert sorted(set(statuses)) == [201, 503]
        assert len(api.get("/tasks?name=x").json()["tasks"]) == statuses.count(201)


def test_stopping_answers_what_was_accepted(database_url, session):
    app = create_app(ApiSettings(DATABASE_URL=database_url, auth="none"), CollectorRegistry())
    with TestClient(app) as api:
        api.post("/tasks", json={"name": "warm"})
        parts = app.state.parts
        answers = []
        locked = session.transaction()
        locked.__enter__().execute("LOCK TABLE tasks IN SHARE MODE")
        waiting = threading.Thread(target=lambda: answers.append(api.post("/tasks", json={"name": "x"})))
        waiting.start()
        eventually(
            lambda: f.rows(session, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"), "the writer waits"
        )
        stopping = api.portal.start_task_soon(parts.writer.stop)
        locked.__exit__(None, None, None)
        stopping.result(30)
        waiting.join(30)
        assert answers[0].status_code == 201


def test_a_long_poll_does_not_hold_up_a_stop(database_url, session):
    [task_id] = f.insert(session)
    app = create_app(ApiSettings(DATABASE_URL=database_url, auth="none"), CollectorRegistry())
    with TestClient(app) as api:
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(api.get(f"/tasks/{task_id}?wait_s=60")))
        waiting.start()
        watcher = app.state.parts.watcher
        eventually(lambda: watcher._waiting, "somebody waits")
        api.portal.call(watcher.release)
        waiting.join(10)
        assert answers[0].json()["status"] == "queued"


@pytest.mark.parametrize("path", ["/tasks/", "/kinds/", "/queues/"])
def test_a_slash_at_the_end_means_nothing(api, path):
    assert api.get(path, follow_redirects=False).status_code == 200
