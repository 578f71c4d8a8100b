"""Every change leaves a row in the audit, in the same transaction, and GET /admin/audit shows it."""

import pytest

from api.keyed import bearing, make_key
from statements import factories as f

REFUSING = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room in the audit'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON audit EXECUTE FUNCTION refuse()
"""


@pytest.fixture
def admin(guarded, session):
    """The same client with a key for everything; `admin.actor` is its id."""
    key = make_key(session, "admin")
    guarded.headers.update(bearing(key))
    guarded.actor = key[:12]
    return guarded


def entries(api, **query):
    answer = api.get("/admin/audit", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["entries"]


def done(api, **query):
    return [(entry["action"], entry["task_ids"]) for entry in entries(api, **query)]


def test_everything_that_is_done_is_told_newest_first(admin):
    one = admin.post("/tasks", json={"name": "one", "delay_s": 60}, headers={"X-Request-ID": "first"}).json()["id"]
    admin.patch(f"/tasks/{one}", json={"priority": 9, "payload": {"csv": "hunter2\n1\n"}})
    admin.post(f"/tasks/{one}/cancel")
    admin.post(f"/tasks/{one}/retry")
    admin.patch("/queues/default", json={"paused": True})
    admin.delete(f"/tasks/{one}")
    found = entries(admin)
    assert [entry["action"] for entry in found] == [
        *("task.delete", "queue.edit", "task.retry", "task.cancel", "task.edit", "task.submit", "key.create")
    ]
    delete, queue, retry, cancel, edit, submit, _ = found
    assert {entry["actor"] for entry in found[:-1]} == {admin.actor}
    assert {tuple(entry["task_ids"]) for entry in (delete, retry, cancel, edit, submit)} == {(one,)}
    assert (submit["request_id"], submit["source"]) == ("first", "testclient")
    assert edit["detail"] == {"status": "scheduled", "fields": ["payload", "priority"], "values": {"priority": 9}}
    assert "hunter2" not in str(found)
    assert (queue["queue"], queue["detail"]) == ("default", {"paused": True})
    assert (cancel["detail"]["status"], retry["detail"]["status"]) == ("scheduled", "cancelled")
    assert (delete["detail"]["kind"], delete["detail"]["queue"]) == ("data.process", "default")


def test_a_batch_is_one_row_with_all_its_tasks_and_found_by_each(admin):
    tasks = [{"name": f"{number}"} for number in range(20)]
    made = [task["id"] for task in admin.post("/tasks/batch", json={"tasks": tasks}).json()["tasks"]]
    assert done(admin, action="task.submit_batch") == [("task.submit_batch", made)]
    for task_id in (made[0], made[7], made[-1]):
        assert done(admin, task_id=task_id) == [("task.submit_batch", made)]
    assert done(admin, task_id=made[-1] + 1) == []


def test_submitting_again_by_the_same_idempotency_key_changes_nothing_and_says_nothing(admin):
    send = {"json": {"name": "once"}, "headers": {"Idempotency-Key": "k-1"}}
    assert [admin.post("/tasks", **send).status_code for _ in range(3)] == [201, 200, 200]
    assert len(done(admin, action="task.submit")) == 1


def test_what_is_refused_leaves_no_row(admin):
    task_id = admin.post("/tasks", json={"name": "x"}).json()["id"]
    before = done(admin)
    assert admin.post(f"/tasks/{task_id}/retry").status_code == 409
    assert admin.patch("/tasks/999", json={"name": "y"}).status_code == 404
    assert admin.patch(f"/tasks/{task_id}", json={}).status_code == 200
    assert admin.patch("/queues/default", json={}).status_code == 200
    assert admin.post("/tasks", json={"name": "x", "kind": "no.such"}).status_code == 422
    assert done(admin) == before


def test_what_cannot_be_audited_is_not_done(admin, session):
    task_id = admin.post("/tasks", json={"name": "x"}).json()["id"]
    f.run_sql(session, REFUSING)
    for answer in (
        admin.post("/tasks", json={"name": "y"}),
        admin.post("/tasks", json={"name": "y"}, headers={"Idempotency-Key": "k"}),
        admin.post("/tasks/batch", json={"tasks": [{"name": "y"}]}),
        admin.patch(f"/tasks/{task_id}", json={"name": "y"}),
        admin.post(f"/tasks/{task_id}/cancel"),
        admin.delete(f"/tasks/{task_id}"),
        admin.patch("/queues/default", json={"paused": True}),
    ):
        assert answer.status_code >= 400, answer.request.url
    assert f.rows(session, "SELECT id, name, status FROM tasks") == [(task_id, "x", "queued")]
    assert f.rows(session, "SELECT paused FROM queues WHERE name = 'default'") == [(False,)]


def test_where_nobody_is_asked_for_a_key_all_but_submissions_are_told(api):
    task_id = api.post("/tasks", json={"name": "x"}).json()["id"]
    api.post("/tasks/batch", json={"tasks": [{"name": "y"}]})
    api.post(f"/tasks/{task_id}/cancel")
    assert [(entry["actor"], entry["action"]) for entry in entries(api)] == [("anonymous", "task.cancel")]


def test_pages_and_filters_of_the_audit(admin):
    for number in range(5):
        admin.post("/tasks", json={"name": f"{number}"})
    seen, cursor = [], None
    while True:
        query = {"limit": 2, "actor": admin.actor} | ({"cursor": cursor} if cursor else {})
        page = admin.get("/admin/audit", params=query).json()
        seen += page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [entry["task_ids"] for entry in seen] == [[5], [4], [3], [2], [1]]
    moment = seen[1]["at"]
    assert [entry["task_ids"] for entry in entries(admin, **{"from": moment})] == [[5], [4]]
    assert len(entries(admin, until=moment)) == 4  # with the creation of the key
    assert [entry["key_id"] for entry in entries(admin, action="key.create")] == [admin.actor]
    assert entries(admin, key_id=admin.actor) == entries(admin, action="key.create")
    assert entries(admin, actor="nobody") == []
    for query in ({"cursor": "rubbish"}, {"action": "no.such"}, {"from": "yesterday"}, {"actor": "a\0b"}, {"limit": 0}):
        assert admin.get("/admin/audit", params=query).status_code == 422, query
