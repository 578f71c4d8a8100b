"""The consistency check is bounded in rows and in time, and its passes are known to whoever leads next."""

import time

import pytest
from prometheus_client import CollectorRegistry

from dispatcher.consistency_passes import make_pass
from statements import factories as f
from taskyard.statements import passes
from taskyard_dispatcher.consistency import Consistency, Pace
from taskyard_dispatcher.metrics import DispatcherMetrics
from taskyard_dispatcher.recovery import Leases


def test_a_slice_is_bounded_in_rows_and_in_time():
    pace = Pace(5000)
    assert pace.rows == 1000
    assert pace.rest_s(1000, 0.01) == pytest.approx(0.19)
    assert pace.rest_s(1000, 1.0) == pytest.approx(9.0)
    assert pace.rows == 500
    for _ in range(10):
        pace.rest_s(pace.rows, 1.0)
    assert pace.rows == 100
    for _ in range(10):
        pace.rest_s(pace.rows, 0.01)
    assert pace.rows == 1000
    assert Pace(1).rows == 1


def test_a_pass_begins_no_sooner_than_its_time(check, session, clock):
    f.insert(session)
    check.walk()
    first = session.run(passes.last_ended)
    assert first is not None
    clock.now += 59
    check.walk()
    assert session.run(passes.last_ended) == first
    clock.now += 1
    check.walk()
    assert session.run(passes.last_ended).id > first.id


def test_a_long_pass_is_seen_on_its_way_and_a_new_leader_begins_anew(check, session, clock, registry):
    f.insert(session, 1000)
    for _ in range(3):
        clock.now += 10
        check.walk()
    on_its_way = session.run(passes.running)
    assert on_its_way.examined == 600
    check.forget()
    assert make_pass(check, session, clock).examined == 1000
    assert session.run(passes.running) is None


def test_the_last_pass_is_known_to_the_next_leader(session, clock):
    def lead() -> CollectorRegistry:
        registry = CollectorRegistry()
        metrics = DispatcherMetrics(registry)
        leases = Leases(session, 3, lambda: 0.5, metrics)
        check = Consistency(session, leases, metrics, rows_per_s=5, pass_s=60, clock=clock)
        clock.now += 100
        check.walk()
        return registry

    last = "taskyard_consistency_last_pass_timestamp_seconds"
    began = time.time()
    assert lead().get_sample_value(last) >= began
    ended = session.run(passes.last_ended)
    f.insert(session, 3)
    assert lead().get_sample_value(last) == pytest.approx(ended.ended_at.timestamp())
