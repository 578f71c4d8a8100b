"""The worker's metrics: which pairs of kind and queue are shown from the start, and what messages count as."""

from types import SimpleNamespace

from prometheus_client import CollectorRegistry

from taskyard_worker.metrics import WorkerMetrics, places
from taskyard_worker.reports import Report


def test_a_kind_is_expected_in_its_own_queue_or_wherever_it_can_come_from():
    kinds = {name: SimpleNamespace(name=name, queue=queue) for name, queue in (("a", "one"), ("b", "elsewhere"))}
    assert sorted(places(kinds, ["one", "two"])) == [("a", "one"), ("b", "one"), ("b", "two")]


def test_reports_count_by_kind_queue_and_outcome_and_a_message_without_any_was_idle():
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry, "images", 4, ["default"])
    metrics.attempts.count("sleep", "default", [Report("succeeded", "succeeded", 0.5, 2.0)])
    metrics.attempts.count("sleep", "default", [Report("succeeded", "unknown", 0.5, 2.0, stale=True)])
    metrics.attempts.count("sleep", "default", [])
    value = registry.get_sample_value
    labels = {"kind": "sleep", "queue": "default"}
    assert value("taskyard_attempts_total", {**labels, "outcome": "succeeded"}) == 1
    assert value("taskyard_attempt_run_seconds_sum", labels) == 2
    assert value("taskyard_attempt_wait_seconds_sum", {"queue": "default"}) == 0.5
    assert value("taskyard_stale_outcomes_total") == 1
    assert value("taskyard_idle_messages_total") == 1
    assert value("taskyard_worker_slots", {"pool": "images"}) == 4
    assert value("taskyard_worker_serves", {"queue": "default"}) == 1
