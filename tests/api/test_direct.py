"""The shorter way to an endpoint answers as FastAPI's own does.

A body that says its charset goes FastAPI's way, and so does a path with a query: what is asked twice, with and without,
must be answered alike.
"""

import fastapi.routing
import pytest

from api.keyed import bearing, make_key
from statements import factories as f

WAYS = ("application/json", "application/json; charset=utf-8")
OWN = {"id", "created_at", "run_at", "queued_at", "request_id"}
TASK = '{"name": "a", "kind": "sleep"}'
BODIES = {
    "/tasks": [
        TASK,
        '{"name": "a", "name": "b", "kind": "sleep"}',
        '{"name": "ä", "kind": "sleep", "payload": {"seconds": 0.5}, "priority": 9, "tags": ["x"], "delay_s": "60"}',
        '{"name": "a", "kind": "sleep", "run_at": "2099-01-01T00:00:00+01:00", "delay_s": null}',
        '{"name": "a", "kind": "sleep", "payload": {"seconds": 1180591620717411303424}}',
        '{"name": "a", "kind": "sleep", "payload": {"seconds": NaN}}',
        '{"name": "a", "kind": "sleep", "payload": {"seconds": "\\ud800"}}',
        '{"name": "\\ud800"}',
        '{"name": "\\u0000"}',
        '{"name": "a", "priority": 4.0}',
        '{"name": "a", "priority": "4"}',
        '{"name": "a", "run_at": 7}',
        '{"name": "a", "kind": "none.such"}',
        '{"name": "a", "nosuch": 1}',
        "{}",
        "[]",
        "null",
        "7",
        '{"name": "a"',
        "",
        "[" * 100_000,
        TASK.encode("utf-16"),
        b'\xef\xbb\xbf{"name": "a"}',
        b'{"name": "\xff"}',
    ],
    "/tasks/batch": [
        f'{{"tasks": [{TASK}, {TASK}]}}',
        f'{{"tasks": [{TASK}, {{"name": "a", "priority": 10}}]}}',
        '{"tasks": []}',
        '{"tasks": null}',
    ],
}


def _without_own(document):
    if isinstance(document, dict):
        return {name: _without_own(item) for name, item in document.items() if name not in OWN}
    return [_without_own(item) for item in document] if isinstance(document, list) else document


@pytest.mark.parametrize(("path", "body"), [(path, body) for path, bodies in BODIES.items() for body in bodies])
def test_both_ways_answer_alike(api, path, body):
    def asked(content_type):
        answer = api.post(path, content=body, headers={"Content-Type": content_type})
        location = "location" in answer.headers
        return answer.status_code, answer.headers["content-type"], location, _without_own(answer.json())

    short, long = map(asked, WAYS)
    assert short == long
    assert short[0] < 500


def test_keys_and_scopes_are_asked_for_on_both(guarded, session):
    may, may_not = (bearing(make_key(session, scope)) for scope in ("tasks:write", "tasks:read"))
    for content_type in WAYS:
        said = {"Content-Type": content_type, "Idempotency-Key": f"key-{WAYS.index(content_type)}"}
        asked = [
            guarded.post("/tasks", content=TASK, headers=said | who).status_code for who in ({}, may_not, may, may)
        ]
        assert asked == [401, 403, 201, 200]
        assert guarded.post("/tasks", content=TASK, headers=said | may | {"Idempotency-Key": "a b"}).status_code == 422


@pytest.mark.parametrize("last", ["0", "-1", "01", "+1", "1.0", "{task_id}", "\u0661", str(2**63), str(10**18), "x"])
def test_an_unusual_id_is_judged_as_ever(api, last):
    short, long = (api.get(f"/tasks/{last}{query}") for query in ("", "?wait_s=0"))
    assert (short.status_code, _without_own(short.json())) == (long.status_code, _without_own(long.json()))
    assert short.status_code in {404, 422}


def test_reading_asks_for_keys_and_scopes_on_both(guarded, session):
    [task_id] = f.insert(session)
    may, may_not = (bearing(make_key(session, scope)) for scope in ("tasks:read", "tasks:write"))
    for path in (f"/tasks/{task_id}", f"/tasks/{task_id}/", f"/tasks/{task_id}?wait_s=0"):
        assert [guarded.get(path, headers=who).status_code for who in ({}, may_not, may)] == [401, 403, 200]


def test_both_ways_count_as_the_same_route(api, api_registry, session):
    [task_id] = f.insert(session)
    for path in (f"/tasks/{task_id}", f"/tasks/{task_id}?wait_s=0", "/tasks/999", "/tasks/999?wait_s=0"):
        api.get(path)
    for content_type in WAYS:
        api.post("/tasks", content=TASK, headers={"Content-Type": content_type})

    def counted(method, route, status):
        labels = {"method": method, "route": route, "status": status}
        return api_registry.get_sample_value("taskyard_http_requests_total", labels)

    assert counted("GET", "/tasks/{task_id}", "200") == counted("GET", "/tasks/{task_id}", "404") == 2
    assert counted("POST", "/tasks", "201") == 2


def test_a_good_request_goes_the_short_way(api, monkeypatch, session):
    def refuse(**_):
        raise AssertionError("FastAPI was asked")

    monkeypatch.setattr(fastapi.routing, "solve_dependencies", refuse)
    short, long = (api.post("/tasks", content=TASK, headers={"Content-Type": way}).status_code for way in WAYS)
    assert (short, long) == (201, 500)
    [task_id] = f.insert(session)
    assert [api.get(f"/tasks/{task_id}{query}").status_code for query in ("", "?wait_s=0")] == [200, 500]


@pytest.mark.parametrize("content_type", WAYS)
def test_a_client_that_leaves_within_its_body_is_no_error_of_ours(api, content_type):
    received = iter(({"type": "http.request", "body": b'{"name"', "more_body": True},))
    sent = []

    async def receive():
        return next(received, {"type": "http.disconnect"})

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"a"), (b"content-type", content_type.encode())]
    scope = {"type": "http", "method": "POST", "path": "/tasks", "headers": headers, "query_string": b""}
    scope |= {"asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": ""}
    scope |= {"server": ("a", 80), "client": ("127.0.0.1", 1), "raw_path": b"/tasks"}
    api.portal.call(api.app, scope, receive, send)
    assert [message["status"] for message in sent if "status" in message] == [400]
