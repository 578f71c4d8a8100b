"""GET /admin/consistency shows what is checked, when it last was, and what was found."""

import pytest

from api.keyed import bearing, make_key
from statements import factories as f
from taskyard.keys import Scope
from taskyard.statements import passes
from taskyard.statements.consistency import MEANING, Rule, Violation

ORPHAN = Violation(Rule.READY_WITHOUT_TASK, 7, "default", "no task; in ready for attempt 1 in queue default")
TWICE = Violation(Rule.SUCCEEDED_TWICE, 8, "default", "succeeded, attempt 2")


def test_before_the_first_pass_there_are_rules_and_nothing_else(api):
    found = api.get("/admin/consistency").json()
    assert {rule["name"]: rule["meaning"] for rule in found["rules"]} == MEANING
    assert [rule["name"] for rule in found["rules"] if rule["mending"] is None] == [
        "attempts_surplus",
        "succeeded_twice",
        "end_contradicted",
    ]
    assert (found["last_pass"], found["running_pass"], found["violations"]) == (None, None, [])


def test_passes_and_violations_are_shown(api, session):
    first = session.run(passes.begin)
    with session.transaction() as cursor:
        passes.record(cursor, [ORPHAN, TWICE], {ORPHAN})
    session.run(passes.end, first, 12, 2, counted=True)
    second = session.run(passes.begin)
    session.run(passes.save, second, 5, 0)
    found = api.get("/admin/consistency").json()
    last, running = found["last_pass"], found["running_pass"]
    assert (last["id"], last["examined"], last["violations"]) == (first, 12, 2)
    assert last["started_at"] <= last["counted_at"] <= last["ended_at"]
    assert (running["id"], running["examined"], running["ended_at"]) == (second, 5, None)
    shown = [(one["rule"], one["task_id"], one["detail"], one["mended_at"] is None) for one in found["violations"]]
    assert shown == [
        ("succeeded_twice", 8, "succeeded, attempt 2", True),
        ("ready_without_task", 7, ORPHAN.detail, False),
    ]


@pytest.mark.parametrize(("scope", "status"), [(Scope.ADMIN, 200), (Scope.TASKS_READ, 403)])
def test_only_an_administrator_may_look(guarded, session, scope, status):
    f.insert(session)
    key = make_key(session, scope)
    assert guarded.get("/admin/consistency", headers=bearing(key)).status_code == status
