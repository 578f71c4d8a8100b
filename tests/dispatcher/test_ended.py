"""What the leader shows: ends of tasks as counters and histograms, gone when it leads no more."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from taskyard.statements.ends import Ends
from taskyard.states import Status
from taskyard_dispatcher.metrics import DispatcherMetrics


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry):
    return DispatcherMetrics(registry)


def test_ends_add_up_in_counters_and_cumulative_buckets(metrics, registry):
    ended = metrics.record.shown.ended
    for _ in range(2):
        ended.add(
            [
                Ends("sleep", "default", Status.SUCCEEDED, 1, 0, 10, 0.5),
                Ends("sleep", "default", Status.FAILED, 4, 15, 2, 20_000.0),
                Ends("sleep", "default", Status.CANCELLED, None, None, 3, 0.0),
            ]
        )

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"queue": "default", **labels})

    finished = "taskyard_tasks_finished_total"
    counts = {outcome: value(finished, kind="sleep", outcome=outcome) for outcome in Status}
    assert (counts["succeeded"], counts["failed"], counts["cancelled"]) == (20, 4, 6)
    assert value("taskyard_task_end_to_end_seconds_bucket", le="0.1") == 20
    assert value("taskyard_task_end_to_end_seconds_bucket", le="7200.0") == 20
    assert value("taskyard_task_end_to_end_seconds_bucket", le="+Inf") == 24
    assert value("taskyard_task_end_to_end_seconds_sum") == 40_001
    assert value("taskyard_task_attempts_bucket", le="3.0") == 20
    assert value("taskyard_task_attempts_bucket", le="5.0") == 24
    assert value("taskyard_task_attempts_sum") == 20 + 16


def test_what_a_leader_shows_goes_with_its_leadership_and_begins_anew(metrics, registry):
    assert b"taskyard_tasks_finished" not in generate_latest(registry)
    metrics.record.shown.ended.add([Ends("sleep", "default", Status.SUCCEEDED, 1, 0, 10, 0.5)])
    metrics.record.shown.tasks.labels("default", "queued").set(3)
    assert b'taskyard_tasks{queue="default",status="queued"} 3.0' in generate_latest(registry)
    metrics.record.drop()
    assert b"taskyard_tasks" not in generate_latest(registry)
    metrics.record.shown.ended.expect({"sleep": "default"}, ["default"])
    labels = {"kind": "sleep", "queue": "default", "outcome": "succeeded"}
    assert registry.get_sample_value("taskyard_tasks_finished_total", labels) == 0
    assert registry.get_sample_value("taskyard_tasks", {"queue": "default", "status": "queued"}) is None
