"""Canaries: one at a time in each queue that has workers, and what they tell is shown."""

import time

import pytest
from prometheus_client import CollectorRegistry

from statements import factories as f
from taskyard.statements import canaries as statements
from taskyard.statements import submission
from taskyard_dispatcher.canaries import Canaries
from taskyard_dispatcher.metrics import DispatcherMetrics

SUCCESS = "taskyard_canary_last_success_timestamp_seconds"
DURATION = "taskyard_canary_duration_seconds"


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def served():
    """The queues that have workers."""
    return {"default"}


@pytest.fixture
def canaries(session, registry, served):
    return Canaries(session, 60.0, lambda queue: queue in served, DispatcherMetrics(registry))


def _ids(session) -> list[int]:
    return [task_id for (task_id,) in f.rows(session, "SELECT id FROM tasks WHERE tags @> '{canary}' ORDER BY id")]


def _shown(registry, name: str) -> float | None:
    return registry.get_sample_value(name, {"queue": "default"})


def _let_pass(session, seconds: float) -> None:
    f.run_sql(
        session,
        """UPDATE tasks SET created_at = created_at - make_interval(secs => %s),
                            finished_at = finished_at - make_interval(secs => %s)""",
        seconds,
        seconds,
    )


def test_a_canary_is_a_task_that_does_nothing_and_goes_first(canaries, session):
    canaries.look_after()
    facts = f.rows(session, "SELECT kind, queue, status, priority, tags, payload, max_attempts FROM tasks")
    assert facts == [("sleep", "default", "queued", 9, ["canary"], {"seconds": 0}, 1)]


def test_canaries_never_pile_up(canaries, session, other_session, registry):
    canaries.look_after()
    _let_pass(session, 3600)
    canaries.look_after()
    assert len(_ids(session)) == 1
    with other_session.transaction() as cursor:  # another replica that still thinks it leads
        assert statements.send(cursor, "default", None) is None
        [sighting] = statements.sighted(cursor)
        assert statements.send(cursor, "default", sighting.canary) is None
    assert len(_ids(session)) == 1


def test_the_next_one_takes_the_place_of_the_last_when_its_time_has_come(canaries, session):
    canaries.look_after()
    [first] = _ids(session)
    f.claim(session, first)
    f.succeed(session, first)
    canaries.look_after()
    assert _ids(session) == [first]
    _let_pass(session, 61)
    canaries.look_after()
    [second] = _ids(session)
    assert second > first
    assert f.rows(session, "SELECT count(*) FROM attempts") == [(0,)]
    assert f.counted(session) == f.recounted(session)


def test_success_and_time_are_shown_and_a_death_is_no_success(canaries, session, registry):
    began = time.time()
    canaries.look_after()
    awaited = _shown(registry, SUCCESS)
    assert awaited >= began
    assert _shown(registry, DURATION) is None
    [first] = _ids(session)
    f.claim(session, first)
    f.succeed(session, first)
    canaries.look_after()
    [(ended,)] = f.rows(session, "SELECT extract(epoch FROM finished_at)::float FROM tasks")
    assert _shown(registry, SUCCESS) == pytest.approx(ended)
    assert _shown(registry, DURATION) > 0
    _let_pass(session, 61)
    canaries.look_after()
    [second] = _ids(session)
    f.claim(session, second)
    f.fail(session, second)
    canaries.look_after()
    assert _shown(registry, SUCCESS) == pytest.approx(ended)


@pytest.mark.parametrize("why", ["paused", "no workers"])
def test_a_queue_that_nothing_goes_through_shows_nothing_and_is_awaited_anew(canaries, session, registry, served, why):
    canaries.look_after()
    [first] = _ids(session)
    f.claim(session, first)
    f.succeed(session, first)
    canaries.look_after()
    if why == "paused":
        f.run_sql(session, "UPDATE queues SET paused = true")
    else:
        served.clear()
    _let_pass(session, 3600)
    canaries.look_after()
    assert _shown(registry, SUCCESS) is None
    assert _shown(registry, DURATION) is None
    assert _ids(session) == [first]
    again = time.time()
    f.run_sql(session, "UPDATE queues SET paused = false")
    served.add("default")
    canaries.look_after()
    assert _shown(registry, SUCCESS) >= again, "an hour without canaries is no hour of failure"


def test_finding_canaries_searches_nothing(session):
    f.run_sql(
        session,
        """INSERT INTO tasks (run_at, finished_at, timeout_s, max_attempts, priority, status, name, kind, queue,
                              payload, idempotency_key)
           SELECT now(), now(), 60, 1, 4, 'succeeded', 'x', 'sleep', 'default', '{}', 'key-' || number
             FROM generate_series(1, 50000) AS number""",
    )
    f.run_sql(session, "ANALYZE tasks")
    plan = "\n".join(
        line for (line,) in f.rows(session, "EXPLAIN " + statements._SIGHTED.replace("%(key)s", "'the canary of '"))
    )
    assert "Index Scan using tasks_idempotency_key_uq" in plan
    assert "Seq Scan on tasks" not in plan


def test_no_client_can_take_a_canarys_key(session):
    from taskyard_api.submissions import _KEY  # noqa: PLC0415 - the API's rule, here alone

    assert not _KEY.fullmatch(statements._KEY + "default")
    assert session.run(submission.insert, [f.PLAIN])
