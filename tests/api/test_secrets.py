"""Secret members of payloads and results: who sees them in answers, and that no problem tells them."""

from collections.abc import Iterator

import orjson
import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from statements import factories as f
from taskyard import keys
from taskyard.outcomes import Move, Succeeded
from taskyard.statements import keys as key_statements
from taskyard.statements import kinds
from taskyard.statements.claims import Held
from taskyard.statements.keys import NewKey
from taskyard.states import Status
from taskyard_api.app import create_app
from taskyard_api.settings import ApiSettings

SECRET = "hunter22-0123456789"
PAYLOAD = {"user": "ann", "password": SECRET, "card": {"number": 4111222233334444, "holder": "Ann"}}
SEEN = {"user": "ann", "password": "[redacted]", "card": {"number": "[redacted]", "holder": "Ann"}}
KIND = {
    "name": "test.login",
    "description": "Log in.",
    "queue": "default",
    "timeout_s": 60,
    "max_attempts": 1,
    "retry_first_s": 1,
    "retry_factor": 2,
    "retry_longest_s": 60,
    "payload_schema": {
        "type": "object",
        "properties": {"password": {"type": "string", "minLength": 8}, "user": {"type": "string"}},
        "maxProperties": 4,
    },
    "redact": ["password", "card.number"],
}


def _bearer(session, *scopes: str) -> dict[str, str]:
    key = keys.make()
    made = NewKey(keys.key_id(key), keys.digest(key), "test", frozenset(map(keys.Scope, scopes)), "test")
    assert session.run(key_statements.insert, made)
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def app(database_url, session):
    """An API that asks for keys, and knows a kind with secrets."""
    session.run(kinds.announce, [KIND])
    return create_app(ApiSettings(DATABASE_URL=database_url, auth="keys"), CollectorRegistry())


@pytest.fixture
def blind(app, session) -> Iterator[TestClient]:
    """A client that may do everything to tasks, but see no secrets."""
    headers = _bearer(session, "tasks:read", "tasks:write")
    with TestClient(app, headers=headers, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def seen_by_the_trusted(blind, session):
    """Ask for a path with a key that may see payloads."""
    headers = _bearer(session, "tasks:read", "payload:read")
    return lambda path: blind.get(path, headers=headers).json()


def _submit(client, headers=None, **body):
    return client.post("/tasks", json={"name": "a", "kind": "test.login", "payload": PAYLOAD} | body, headers=headers)


def test_no_answer_shows_a_secret_to_who_may_not_read_payloads(blind, session):
    key = {"Idempotency-Key": "one"}
    made = _submit(blind, key)
    assert (made.status_code, made.json()["payload"]) == (201, SEEN)
    replayed = _submit(blind, key)
    assert replayed.status_code == 200, "it is the same request: its secrets are compared as they were sent"
    assert _submit(blind, key, payload=PAYLOAD | {"password": "another-one"}).status_code == 422
    batch = blind.post("/tasks/batch", json={"tasks": [{"name": "a", "kind": "test.login", "payload": PAYLOAD}] * 2})
    answers = [
        made,
        replayed,
        batch,
        blind.get("/tasks/1"),
        blind.get("/tasks/1?include=attempts"),
        blind.get("/tasks"),
        blind.patch("/tasks/1", json={"payload": PAYLOAD | {"user": "bob"}}),
        blind.post("/tasks/1/cancel"),
        blind.post("/tasks/1/retry"),
        blind.get("/tasks/1/attempts"),
    ]
    for answer in answers:
        assert answer.is_success, answer.text
        assert SECRET not in answer.text
        assert "4111222233334444" not in answer.text
    assert answers[6].json()["payload"] == SEEN | {"user": "bob"}


def test_who_may_read_payloads_sees_them_and_the_record_keeps_them(blind, seen_by_the_trusted):
    task_id = _submit(blind).json()["id"]
    assert seen_by_the_trusted(f"/tasks/{task_id}")["payload"] == PAYLOAD


def test_results_are_hidden_by_the_same_names(blind, seen_by_the_trusted, session):
    task_id = _submit(blind).json()["id"]
    f.claim(session, task_id)
    result = {"sessions": [{"Password": SECRET}], "ok": True}
    ended = Succeeded(orjson.dumps(result).decode()), Move(Status.SUCCEEDED)
    f.finish(session, Held(task_id, 1), *ended)
    assert blind.get(f"/tasks/{task_id}").json()["result"] == {"sessions": [{"Password": "[redacted]"}], "ok": True}
    assert seen_by_the_trusted(f"/tasks/{task_id}")["result"] == result


def test_secret_headers_of_http_requests_are_hidden_before_any_worker_has_started(blind, seen_by_the_trusted):
    headers = {
        "AUTHORIZATION": f"Bearer {SECRET}",
        "proxy-authorization": SECRET,
        "Cookie": SECRET,
        "X-Api-Key": SECRET,
    }
    payload = {"url": "https://example.com/", "headers": {"Accept": "text/plain"} | headers}
    made = _submit(blind, kind="http.request", payload=payload)
    assert (made.status_code, SECRET in made.text) == (201, False)
    path = f"/tasks/{made.json()['id']}"
    hidden = {"Accept": "text/plain"} | dict.fromkeys(headers, "[redacted]")
    assert blind.get(path).json()["payload"]["headers"] == hidden
    assert seen_by_the_trusted(path)["payload"] == payload
    refused = _submit(blind, kind="http.request", payload=payload | {"headers": {"cookie": SECRET + "\x7f"}})
    assert (refused.status_code, SECRET in refused.text) == (422, False)


def test_without_keys_everybody_may_read_payloads(database_url, session, app):
    open_app = create_app(ApiSettings(DATABASE_URL=database_url, auth="none"), CollectorRegistry())
    with TestClient(open_app) as api:
        assert _submit(api).json()["payload"] == PAYLOAD


@pytest.mark.parametrize(
    "payload",
    [
        PAYLOAD | {"password": "hunter2"},
        PAYLOAD | {"password": 22334455},
        PAYLOAD | {"a": 1, "b": 2},  # the message shows the whole payload
    ],
)
def test_no_problem_tells_a_secret_whoever_asks(blind, payload):
    answer = _submit(blind, payload=payload)
    assert answer.status_code == 422, answer.text
    for secret in ("hunter2", "22334455", "4111222233334444"):
        assert secret not in answer.text


def test_a_copy_of_what_was_shown_overwrites_no_secret(blind, seen_by_the_trusted):
    task_id = _submit(blind).json()["id"]
    refused = blind.patch(f"/tasks/{task_id}", json={"payload": SEEN})
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["payload.password", "payload.card.number"]
    assert _submit(blind, payload=SEEN).status_code == 422
    assert seen_by_the_trusted(f"/tasks/{task_id}")["payload"] == PAYLOAD


def test_the_catalogue_says_what_is_secret(blind):
    assert blind.get("/kinds/test.login").json()["redact"] == ["password", "card.number"]
    assert blind.get("/kinds/sleep").json()["redact"] == []


def test_all_is_secret_of_a_kind_that_left_the_catalogue(blind, session):
    [task_id] = f.insert(session, kind="test.gone", payload={"a": {"b": 1}})
    assert blind.get(f"/tasks/{task_id}").json()["payload"] == {"a": "[redacted]"}
