"""Who is let in: by which keys, with which scopes, and what everybody else is told."""

import asyncio
import json
import re
from collections.abc import Iterator

import pytest
import typer
from fastapi.testclient import TestClient

from api.keyed import SOMEBODY, bearing, keyed_api, make_key
from statements import factories as f
from taskyard import issuing, keys
from taskyard.errors import KeyRefusedError
from taskyard.keys import Scope
from taskyard_api.cli import run

OPEN = {"/livez", "/readyz"}


def calls(api: TestClient) -> Iterator[tuple[str, str, list[str]]]:
    """Give each documented call with the scopes that it needs."""
    for path, methods in api.get("/openapi.json").json()["paths"].items():
        for method, call in methods.items():
            scopes = [scope for needed in call.get("security", []) for scope in needed["key"]]
            yield method.upper(), re.sub(r"\{\w+\}", "1", path), scopes


def test_every_call_but_those_of_health_needs_a_key_and_one_scope(guarded):
    seen = list(calls(guarded))
    assert len(seen) > 12
    for method, path, scopes in seen:
        assert len(scopes) == (0 if path in OPEN else 1), (method, path)
        answer = guarded.request(method, path)
        if path in OPEN:
            assert answer.status_code == 200, path
            continue
        assert (answer.status_code, answer.json()["code"]) == (401, "key_refused"), (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_may_do_what_its_scope_says_and_nothing_else(guarded, session):
    by_scope = {scope: make_key(session, scope) for scope in Scope}
    for method, path, scopes in calls(guarded):
        for scope, key in by_scope.items():
            answer = guarded.request(method, path, headers=bearing(key))
            if not scopes or scope in (*scopes, Scope.ADMIN):
                assert answer.status_code not in {401, 403}, (method, path, scope)
                continue
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (403, "scope_missing"), (method, path, scope)
            assert scopes[0] in problem["detail"]
            assert [fault["field"] for fault in problem["errors"]] == scopes
            assert answer.headers["www-authenticate"] == f'Bearer error="insufficient_scope", scope="{scopes[0]}"'


def test_the_calls_need_the_scopes_of_the_table(guarded):
    needed = {f"{method} {path}": scopes for method, path, scopes in calls(guarded) if scopes}
    for call, scopes in needed.items():
        method, path = call.split()
        if path.startswith("/admin/"):
            assert scopes == ["admin"], call
        elif method == "GET":
            assert scopes == ["tasks:read"], call
        else:
            assert scopes == (["queues:admin"] if path.startswith("/queues") else ["tasks:write"]), call


def test_the_documentation_is_open_takes_a_key_and_tells_of_refusals(guarded):
    assert guarded.get("/docs").status_code == 200
    assert guarded.get("/docs/assets/swagger-ui.css").status_code == 200
    document = guarded.get("/openapi.json").json()
    [scheme] = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    submit = document["paths"]["/tasks"]["post"]["responses"]
    assert "`tasks:write`" in submit["403"]["description"]
    assert "401" in submit
    assert "401" not in document["paths"]["/livez"]["get"]["responses"]


@pytest.mark.parametrize("path", ["/no/such", "/docs/assets/../../tasks", "/docsx", "/tasks/"])
def test_strangers_learn_not_even_which_paths_there_are(guarded, path):
    assert guarded.get(path).status_code == 401


def test_nobody_without_a_key_has_a_body_parsed(guarded):
    answer = guarded.post("/tasks", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        *("", "Bearer", "Bearer ", "Basic dXNlcjpwYXNzd29yZA==", "Bearer short", "ty_" + "x" * 43),
        *("Bearer ty_" + "x" * 43, "Bearer ty_" + "x" * 500, "Bearer ty_" + "é" * 43, "Bearer a b c"),
    ],
)
def test_what_is_no_key_is_refused_and_not_told_again(guarded, header):
    answer = guarded.get("/tasks", headers={b"Authorization": header.encode("latin-1")})
    assert (answer.status_code, answer.json()["code"]) == (401, "key_refused")
    assert "xxxx" not in answer.text
    assert "dXNl" not in answer.text


def test_the_scheme_may_be_written_in_any_case(guarded, session):
    key = make_key(session, "tasks:read")
    assert guarded.get("/tasks", headers={"authorization": f"bEARER   {key}"}).status_code == 200


def test_a_key_with_another_secret_is_as_unknown_as_any(guarded, session):
    key = make_key(session, "admin")
    assert guarded.get("/tasks", headers=bearing(key)).status_code == 200
    forged = guarded.get("/tasks", headers=bearing(key[:-1] + ("a" if key[-1] != "a" else "b")))
    unknown = guarded.get("/tasks", headers=bearing(keys.make()))
    assert (forged.status_code, forged.json()["detail"]) == (401, unknown.json()["detail"])
    assert forged.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_key_expires_while_it_is_in_use(guarded, session):
    key = make_key(session, "tasks:read", expires_in_s=3600)
    assert guarded.get("/tasks", headers=bearing(key)).status_code == 200
    keyring = guarded.app.state.parts.keyring
    [held] = keyring._held.values()
    object.__setattr__(held.credential, "valid_s", 0.0)  # as if it had been read long ago
    refused = guarded.get("/tasks", headers=bearing(key))
    assert (refused.status_code, "has expired" in refused.json()["detail"]) == (401, True)


def test_an_expired_key_is_refused(guarded, session):
    key = make_key(session, "tasks:read")
    f.run_sql(session, "UPDATE api_keys SET expires_at = now() - interval '1 second'")
    refused = guarded.get("/tasks", headers=bearing(key))
    assert (refused.status_code, "has expired" in refused.json()["detail"]) == (401, True)


def test_a_revoked_key_is_refused_once_it_is_looked_up_again(database_url, session):
    key = make_key(session, "tasks:read")
    with keyed_api(database_url, api_key_fresh_s=300) as sluggish, keyed_api(database_url, api_key_fresh_s=0) as prompt:
        assert {api.get("/tasks", headers=bearing(key)).status_code for api in (sluggish, prompt)} == {200}
        with session.transaction() as cursor:
            issuing.revoke(cursor, key[:12], SOMEBODY)
        refused = prompt.get("/tasks", headers=bearing(key))
        assert (refused.status_code, "was revoked" in refused.json()["detail"]) == (401, True)
        assert sluggish.get("/tasks", headers=bearing(key)).status_code == 200


def test_any_number_of_unknown_keys_occupies_one_connection(guarded):
    """They are looked up together: 200 of them by a few statements, one at a time."""
    parts = guarded.app.state.parts

    async def guess() -> int:
        room = parts.readers._room
        guesses = [asyncio.ensure_future(parts.keyring.judge(keys.make())) for _ in range(200)]
        occupied = 0
        while not all(guess.done() for guess in guesses):
            await asyncio.sleep(0)
            occupied = max(occupied, room - parts.readers._room)
        assert all(isinstance(guess.exception(), KeyRefusedError) for guess in guesses)
        return occupied

    assert guarded.portal.call(guess) == 1


def test_without_a_database_a_key_cannot_be_judged_and_that_is_503(database_url):
    with keyed_api("postgresql+psycopg2://nobody:x@127.0.0.1:1/none") as api:
        answer = api.get("/tasks", headers=bearing(keys.make()))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert api.get("/tasks").status_code == 401
        assert api.get("/livez").status_code == 200


def test_the_last_use_of_a_key_is_noted(database_url, session):
    used, unused = make_key(session, "tasks:read"), make_key(session, "tasks:read")
    with keyed_api(database_url) as api:
        assert api.get("/tasks", headers=bearing(used)).status_code == 200
        assert api.get("/tasks", headers=bearing(unused[:12] + "x" * 34)).status_code == 401
    noted = dict(f.rows(session, "SELECT id, last_used_at IS NOT NULL FROM api_keys"))
    assert noted == {used[:12]: True, unused[:12]: False}


def test_with_none_everybody_may_do_all(api):
    assert api.get("/admin/audit").status_code == 200
    assert api.get("/tasks", headers=bearing("whatever")).status_code == 200


def test_none_is_refused_where_others_reach_it(monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("TASKYARD_AUTH", "none")
    monkeypatch.setenv("TASKYARD_API_HOST", "0.0.0.0")
    with pytest.raises(typer.Exit) as end:
        run()
    assert end.value.exit_code == 2
    assert "whoever reaches 0.0.0.0 may do everything" in capsys.readouterr().err


def test_a_refusal_is_a_problem_as_documented(guarded):
    problem = guarded.get("/tasks").json()
    schema = guarded.get("/openapi.json").json()["components"]["schemas"]["Problem"]
    assert problem.keys() <= schema["properties"].keys()
    assert "Bearer" in json.dumps(problem)
