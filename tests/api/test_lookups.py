"""GET /tasks/{id}: many are looked up together, and both ways to it show the same."""

import threading
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.keyed import bearing, make_key
from api.test_secrets import KIND
from statements import factories as f
from taskyard.errors import UnavailableError
from taskyard.outcomes import Move, Succeeded
from taskyard.redaction import Redaction
from taskyard.statements import kinds, reading
from taskyard.statements.claims import Held
from taskyard.states import Status
from waiting import eventually

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NAMES = st.sampled_from(["password", "card", "number", "seconds"]) | TEXTS
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS
SCALARS = SCALARS.filter(lambda value: value not in {float("inf"), float("-inf")})
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
TASKS = st.fixed_dictionaries(
    {
        "name": TEXTS.filter(bool),
        "kind": st.sampled_from(["sleep", KIND["name"], "nobody.knows"]),
        "tags": st.lists(TEXTS.filter(bool), max_size=3).map(tuple),
        "payload": st.dictionaries(NAMES, DOCUMENTS, max_size=3),
        "delay_s": st.none() | st.just(3600.0),
    }
)


@pytest.fixture
def looks(monkeypatch):
    """The ids of each look, and what holds looks up while it is cleared."""
    asked, going = [], threading.Event()
    documents = reading.documents

    def look(cursor, task_ids):
        asked.append(sorted(task_ids))
        assert going.wait(30)
        return documents(cursor, task_ids)

    monkeypatch.setattr(reading, "documents", look)
    return asked, going


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=TASKS, result=st.none() | DOCUMENTS)
def test_both_ways_show_any_task_byte_for_byte(guarded, session, made, result):
    session.run(kinds.announce, [KIND])
    [task_id] = f.insert(session, **made)
    if made["delay_s"] is None and result is not None:
        f.claim(session, task_id)
        f.finish(session, Held(task_id, 1), Succeeded(orjson.dumps(result).decode()), Move(Status.SUCCEEDED))
    stored = f.read(session, task_id)
    secret = {"sleep": Redaction(()), KIND["name"]: Redaction(KIND["redact"])}.get(
        made["kind"], Redaction((), whole=True)
    )
    for scopes, hidden in ((("tasks:read", "payload:read"), Redaction(())), (("tasks:read",), secret)):
        key = bearing(make_key(session, *scopes))
        shown = orjson.loads(orjson.dumps(stored, option=orjson.OPT_UTC_Z))
        shown |= {name: hidden.apply(shown[name]) for name in ("payload", "result")}
        short, long, more = (
            guarded.get(f"/tasks/{task_id}{query}", headers=key) for query in ("", "?wait_s=0", "?include=attempts")
        )
        assert short.content == long.content == orjson.dumps(shown)
        assert list(short.headers) == list(long.headers)
        attempts = more.json()["attempts"]
        assert more.content == orjson.dumps(shown | {"attempts": attempts})


def test_who_asks_during_a_look_shares_the_next(api, session, looks):
    asked, going = looks
    first, *others = f.insert(session, 5)
    with ThreadPoolExecutor(8) as clients:
        one = clients.submit(api.get, f"/tasks/{first}")
        eventually(lambda: asked, "a look is under way")
        rest = {task_id: clients.submit(api.get, f"/tasks/{task_id}") for task_id in (*others, first, 999_999)}
        eventually(lambda: len(api.app.state.parts.lookups._wanted) == len(rest), "all others wait")
        going.set()
        assert one.result(30).json()["id"] == first
        missing = rest.pop(999_999).result(30)
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        assert {task_id: answer.result(30).json()["id"] for task_id, answer in rest.items()} == {i: i for i in rest}
    assert asked == [[first], sorted((*others, first, 999_999))]


def test_a_look_that_fails_is_told_to_all_that_shared_it_and_to_nobody_else(api, session, looks, monkeypatch):
    asked, going = looks
    [task_id] = f.insert(session)
    look = reading.documents

    def fail_at_first(cursor, task_ids):
        found = look(cursor, task_ids)
        if len(asked) == 1:
            raise UnavailableError("the database is away")
        return found

    monkeypatch.setattr(reading, "documents", fail_at_first)
    with ThreadPoolExecutor(2) as clients:
        one = clients.submit(api.get, f"/tasks/{task_id}")
        eventually(lambda: asked, "a look is under way")
        other = clients.submit(api.get, f"/tasks/{task_id}")
        eventually(lambda: api.app.state.parts.lookups._wanted, "the other waits")
        going.set()
        assert (one.result(30).status_code, other.result(30).status_code) == (503, 200)


def test_who_was_answered_with_201_sees_the_task(api):
    def submit_and_read(number):
        made = api.post("/tasks", json={"name": f"task {number}", "kind": "sleep"})
        return made.json(), api.get(made.headers["location"]).json()

    with ThreadPoolExecutor(8) as clients:
        for made, read in clients.map(submit_and_read, range(80)):
            assert {name: read[name] for name in ("id", "name", "payload")} == {
                name: made[name] for name in ("id", "name", "payload")
            }
