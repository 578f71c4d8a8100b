"""GET, PATCH, DELETE, cancel and retry, each answer of them."""

import threading

import pytest

from statements import factories as f
from taskyard.statements import dispatching


def test_an_unknown_task_is_404_and_never_pending(api):
    for method, path in [
        ("GET", "/tasks/7"),
        ("GET", "/tasks/7/attempts"),
        ("DELETE", "/tasks/7"),
        ("POST", "/tasks/7/cancel"),
        ("POST", "/tasks/7/retry"),
    ]:
        answer = api.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert api.patch("/tasks/7", json={"name": "x"}).status_code == 404
    assert api.get("/tasks/0").status_code == 422
    assert api.get("/tasks/99999999999999999999").status_code == 422
    assert api.get("/tasks/abc").status_code == 422


def test_attempts_are_shown_on_request(api, session):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    f.fail(session, task_id, due_in_s=0)
    f.promote(session)
    f.claim(session, task_id, attempt=2)
    assert "attempts" not in api.get(f"/tasks/{task_id}").json()
    attempts = api.get(f"/tasks/{task_id}?include=attempts").json()["attempts"]
    assert [(a["attempt"], a["outcome"]) for a in attempts] == [(1, "failed"), (2, None)]
    assert (attempts[0]["error_type"], attempts[0]["traceback"]) == ("ValueError", "Traceback …")
    assert api.get(f"/tasks/{task_id}/attempts").json()["attempts"] == attempts


def test_a_long_poll_returns_when_the_task_ends(api, session):
    [task_id] = f.insert(session)
    f.claim(session, task_id)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(api.get(f"/tasks/{task_id}?wait_s=30")))
    waiting.start()
    f.succeed(session, task_id)
    waiting.join(10)
    assert answers[0].json()["status"] == "succeeded"


def test_a_long_poll_returns_the_task_as_it_is_when_its_time_is_up(api, session):
    [task_id] = f.insert(session)
    assert api.get(f"/tasks/{task_id}?wait_s=0.2").json()["status"] == "queued"
    assert api.get(f"/tasks/{task_id}?wait_s=61").status_code == 422
    assert api.get(f"/tasks/{task_id}?wait_s=nan").status_code == 422


def test_a_list_goes_on_with_its_cursor(api, session):
    ids = f.insert(session, 5)
    first = api.get("/tasks?limit=3").json()
    second = api.get("/tasks", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [task["id"] for task in first["tasks"] + second["tasks"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert "payload" not in first["tasks"][0]


def test_any_time_zone_that_a_date_can_have_is_taken(api, session):
    [task_id] = f.insert(session)
    far = "2148-05-13T17:22:58-18:14"  # PostgreSQL knows none beyond 16 hours
    assert api.get("/tasks", params={"created_from": far}).json()["tasks"] == []
    assert api.patch(f"/tasks/{task_id}", json={"run_at": far}).json()["run_at"] == "2148-05-14T11:36:58Z"
    assert api.post("/tasks", json={"name": "a", "run_at": far}).json()["run_at"] == "2148-05-14T11:36:58Z"


def test_a_list_is_filtered(api, session):
    f.insert(session, 2, tags=("red",))
    f.insert(session, 1, name="special")
    assert len(api.get("/tasks?tag=red&status=queued&status=failed").json()["tasks"]) == 2
    assert len(api.get("/tasks?name=special&kind=sleep&queue=default").json()["tasks"]) == 1
    assert api.get("/tasks?created_from=2099-01-01T00:00:00Z").json()["tasks"] == []
    for query in (
        "status=pending",
        "cursor=rubbish",
        "limit=0",
        "limit=501",
        "kind=Bad!",
        "name=%00",
        "tag=%00",
        "created_from=yesterday",
        "created_from=412",
    ):
        answer = api.get(f"/tasks?{query}")
        assert answer.status_code == 422, query
        assert answer.json()["errors"][0]["field"].startswith("query."), query


def test_name_and_tags_can_always_be_changed_the_rest_while_it_waits(api, session):
    [task_id] = f.insert(session)
    assert api.patch(f"/tasks/{task_id}", json={"priority": 9, "payload": {"seconds": 2}}).json()["priority"] == 9
    f.claim(session, task_id)
    assert api.patch(f"/tasks/{task_id}", json={"name": "new", "tags": ["t"]}).json()["name"] == "new"
    refused = api.patch(f"/tasks/{task_id}", json={"name": "newer", "priority": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "priority" in refused.json()["detail"]
    assert api.get(f"/tasks/{task_id}").json()["name"] == "new"


def test_a_waiting_task_moves_where_its_change_says(api, session):
    f.run_sql(session, "INSERT INTO queues (name) VALUES ('other')")
    [task_id] = f.insert(session)
    f.mark(session, session.run(dispatching.pick, "default", 10, 10).tasks)
    api.patch(f"/tasks/{task_id}", json={"queue": "other"})
    assert f.claim(session, task_id) is None  # the message in the old queue is void
    assert [task.task_id for task in session.run(dispatching.pick, "other", 10, 10).tasks] == [task_id]
    assert api.patch(f"/tasks/{task_id}", json={"delay_s": 60}).json()["status"] == "scheduled"
    assert f.ready(session) == []
    assert api.patch(f"/tasks/{task_id}", json={"delay_s": 0}).json()["status"] == "queued"
    assert f.ready(session) == [(task_id, 1)]
    assert f.counted(session) == f.recounted(session)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"priority": None}, "body"),
        ({"payload": {"seconds": "x"}}, "payload.seconds"),
        ({"queue": "no-such"}, "queue"),
        ({"status": "succeeded"}, "status"),
        ({"kind": "sleep"}, "kind"),
    ],
)
def test_a_change_that_breaks_a_rule_changes_nothing(api, session, change, field):
    [task_id] = f.insert(session)
    before = api.get(f"/tasks/{task_id}").json()
    answer = api.patch(f"/tasks/{task_id}", json={"name": "new"} | change)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert api.get(f"/tasks/{task_id}").json() == before


def test_what_waits_or_has_ended_can_be_deleted_what_runs_cannot(api, session):
    [waiting, running] = f.insert(session, 2)
    f.claim(session, running)
    assert api.delete(f"/tasks/{waiting}").status_code == 204
    assert api.get(f"/tasks/{waiting}").status_code == 404
    refused = api.delete(f"/tasks/{running}")
    assert refused.status_code == 409
    assert f"/tasks/{running}/cancel" in refused.json()["detail"]


def test_cancelling_ends_what_waits_and_asks_what_runs(api, session):
    [waiting, running] = f.insert(session, 2)
    f.claim(session, running)
    answer = api.post(f"/tasks/{waiting}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelled")
    answer = api.post(f"/tasks/{running}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    assert answer.json()["cancel_requested_at"]
    assert api.post(f"/tasks/{running}/cancel").status_code == 202
    assert api.post(f"/tasks/{waiting}/cancel").status_code == 409


def test_only_what_failed_or_was_cancelled_can_be_retried(api, session):
    [task_id] = f.insert(session)
    assert api.post(f"/tasks/{task_id}/retry").status_code == 409
    f.claim(session, task_id)
    assert api.post(f"/tasks/{task_id}/retry").status_code == 409
    f.fail(session, task_id)
    answer = api.post(f"/tasks/{task_id}/retry")
    assert (answer.status_code, answer.json()["status"], answer.json()["reason"]) == (202, "queued", None)
    assert f.ready(session) == [(task_id, 2)]
