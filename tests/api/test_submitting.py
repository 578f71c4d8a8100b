"""POST /tasks and /tasks/batch, each answer of them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from statements import factories as f


def _submit(api, **body):
    return api.post("/tasks", json={"name": "a task"} | body)


def test_a_name_is_enough_and_ids_begin_at_1(api):
    answer = api.post("/tasks/", json={"name": "Process Data"})
    assert answer.status_code == 201
    assert answer.headers["location"] == "/tasks/1"
    task = answer.json()
    assert (task["id"], task["kind"], task["status"], task["queue"]) == (1, "data.process", "queued", "default")


def test_the_answer_is_what_get_shows(api):
    body = {
        "kind": "sleep",
        "payload": {"seconds": 1},
        "priority": 9,
        "tags": ["a", "ä"],
        "max_attempts": 2,
        "timeout_s": 9,
    }
    made = _submit(api, **body).json()
    assert api.get(f"/tasks/{made['id']}").json() == made
    assert {key: made[key] for key in body} == body


def test_a_delay_or_a_time_schedules(api):
    assert _submit(api, delay_s=60).json()["status"] == "scheduled"
    assert _submit(api, run_at="2099-01-01T00:00:00+01:00").json()["run_at"] == "2098-12-31T23:00:00Z"
    assert _submit(api, run_at="2001-01-01T00:00:00Z").json()["status"] == "queued"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "nul\x00"}, "name"),
        ({"name": 7}, "name"),
        ({"kind": "no.such"}, "kind"),
        ({"kind": "Bad Kind"}, "kind"),
        ({"queue": "no-such"}, "queue"),
        ({"priority": 10}, "priority"),
        ({"priority": -1}, "priority"),
        ({"priority": True}, "priority"),
        ({"run_at": "2026-01-01T00:00:00"}, "run_at"),
        ({"run_at": 1800000000}, "run_at"),
        ({"run_at": "1800000000"}, "run_at"),
        ({"run_at": "9999-12-31T23:59:59-12:00"}, "run_at"),
        ({"run_at": "2030-01-01T00:00:00Z", "delay_s": 1}, "body"),
        ({"delay_s": -1}, "delay_s"),
        ({"delay_s": 1e12}, "delay_s"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": 1e9}, "timeout_s"),
        ({"tags": ["x"] * 21}, "tags"),
        ({"tags": [""]}, "tags[0]"),
        ({"tags": ["a\x00"]}, "tags[0]"),
        ({"payload": []}, "payload"),
        ({"payload": {"rows": [{"a": "\x00"}]}}, "payload.rows[0].a"),
        ({"payload": {"rows": [{"a": 2**63}]}}, "payload.rows[0].a"),
        ({"payload": {"nonsense": 1}}, "payload"),
        ({"kind": "sleep", "payload": {"seconds": "long"}}, "payload.seconds"),
        ({"kind": "sleep", "payload": {"seconds": -1}}, "payload.seconds"),
        ({"typo": 1}, "typo"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_field(api, body, field):
    answer = api.post("/tasks", json={"name": "a task"} | body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert field in [error["field"] for error in problem["errors"]]
    assert api.get("/tasks").json()["tasks"] == []


def test_an_unknown_kind_is_refused_with_those_that_are_known(api):
    detail = _submit(api, kind="no.such").json()["detail"]
    assert "data.process" in detail
    assert "http.request" in detail


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"", 422),
        (b"[]", 422),
        (b'{"name": "x", "payload": {"a": NaN}}', 422),
        (b'{"name": "x", "payload": {"a": 1e999}}', 422),
        (b'{"name": "x", "payload": {"rows": [{"a": 123456789012345678901234567890}]}}', 422),
        (b'{"name": "\xff"}', 400),
        (b'{"name": "x", "payload": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}", 422),
        (b'{"name": "x", "payload": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"name": "\\ud800"}', 422),
    ],
)
def test_a_body_that_is_no_good_document_is_refused(api, content, status):
    answer = api.post("/tasks", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_over_the_limit_is_refused_whether_its_length_is_declared_or_not(api):
    large = b'{"name": "x", "payload": {"csv": "' + b"a" * (1024 * 1024) + b'"}}'
    declared = api.post("/tasks", content=large, headers={"content-type": "application/json"})
    streamed = api.post(
        "/tasks", content=iter([large[:1000], large[1000:]]), headers={"content-type": "application/json"}
    )
    for answer in (declared, streamed):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_body_that_is_not_said_to_be_json_is_refused_with_what_to_say(api):
    answer = api.post("/tasks", content=b'{"name": "x"}')
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "application/json" in answer.json()["detail"]
    assert api.post("/tasks/1/cancel").status_code == 404  # a call without a body needs no type


def test_one_task_of_a_batch_may_be_no_larger_than_alone(api):
    large = {"name": "x", "payload": {"csv": "a" * (1024 * 1024)}}
    answer = api.post("/tasks/batch", json={"tasks": [{"name": "small"}, large]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "tasks[1].payload"


def test_a_key_brings_the_first_answer_again(api):
    headers = {"Idempotency-Key": "order-17"}
    first = api.post("/tasks", json={"name": "a", "tags": ["x"]}, headers=headers)
    again = api.post("/tasks", json={"tags": ["x"], "name": "a"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["location"] == first.headers["location"]


def test_a_key_with_another_request_is_refused(api):
    headers = {"Idempotency-Key": "order-17"}
    api.post("/tasks", json={"name": "a"}, headers=headers)
    other = api.post("/tasks", json={"name": "b"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "with space", "x" * 201])
def test_a_malformed_key_is_refused(api, key):
    answer = api.post("/tasks", json={"name": "a"}, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_many_at_once_get_an_id_each_in_few_commits(api, api_registry):
    with ThreadPoolExecutor(16) as threads:
        ids = [answer.json()["id"] for answer in threads.map(lambda _: _submit(api), range(200))]
    assert sorted(ids) == list(range(1, 201))
    assert api_registry.get_sample_value("taskyard_commit_tasks_sum") == 200


def test_a_batch_is_recorded_in_its_order(api):
    tasks = [{"name": f"task {number}"} for number in range(1000)]
    answer = api.post("/tasks/batch", json={"tasks": tasks})
    assert answer.status_code == 201
    made = answer.json()["tasks"]
    assert [task["name"] for task in made] == [task["name"] for task in tasks]
    assert [task["id"] for task in made] == list(range(1, 1001))


def test_a_batch_with_one_bad_task_records_none(api):
    answer = api.post("/tasks/batch", json={"tasks": [{"name": "good"}, {"name": "bad", "kind": "no.such"}]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "tasks[1].kind"
    assert api.get("/tasks").json()["tasks"] == []


@pytest.mark.parametrize("count", [0, 1001])
def test_a_batch_has_from_1_to_1000_tasks(api, count):
    answer = api.post("/tasks/batch", json={"tasks": [{"name": "x"}] * count})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "tasks")


def test_what_postgresql_refuses_after_all_is_the_fault_of_its_own_request_alone(api, session):
    f.run_sql(session, "ALTER TABLE tasks ADD CONSTRAINT no_bad CHECK (name <> 'bad')")
    barrier = threading.Barrier(8)

    def submit(number: int) -> int:
        barrier.wait(10)
        return _submit(api, name="bad" if number == 3 else "good").status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(submit, range(8)))
    assert statuses == [201, 201, 201, 422, 201, 201, 201, 201]
