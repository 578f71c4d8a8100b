"""Metrics of the worker, all kept by the parent process: it outlives its children and sees how they end."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from taskyard.handlers import Kind
from taskyard.metrics import RUN_SECONDS, WAIT_SECONDS
from taskyard.states import Reason
from taskyard_worker.reports import Report


class WorkerMetrics:
    """All metric objects of one worker."""

    def __init__(self, registry: CollectorRegistry, kinds: Mapping[str, Kind], slots: int) -> None:
        self.attempts = Counter(
            "taskyard_attempts_total",
            "Attempts that ended, by kind and outcome: succeeded, or the reason why not.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.run = Histogram(
            "taskyard_attempt_run_seconds", "Time in the handler.", ["kind"], buckets=RUN_SECONDS, registry=registry
        )
        self.wait = Histogram(
            "taskyard_attempt_wait_seconds",
            "Time from being due to being claimed.",
            buckets=WAIT_SECONDS,
            registry=registry,
        )
        self.slots = Gauge("taskyard_worker_slots", "Attempts that can run at once.", registry=registry)
        self.slots_busy = Gauge("taskyard_worker_slots_busy", "Attempts that run.", registry=registry)
        self.renewals = Counter("taskyard_lease_renewals_total", "Leases extended.", registry=registry)
        self.stale = Counter(
            "taskyard_stale_outcomes_total", "Outcomes that came too late and were dropped.", registry=registry
        )
        self.duplicates = Counter(
            "taskyard_idle_messages_total",
            "Messages that claimed nothing: duplicates, or tasks changed meanwhile.",
            registry=registry,
        )
        self.killed = Counter(
            "taskyard_children_killed_total",
            "Children that died while they ran: killed for timeout, cancelled, memory; lost: all of them.",
            ["cause"],
            registry=registry,
        )
        self.slots.set(slots)
        for cause in ("timeout", "cancelled", "memory", "lost"):
            self.killed.labels(cause)
        for kind in kinds:
            self.run.labels(kind)
            for outcome in ("succeeded", Reason.ERROR, Reason.TIMEOUT, Reason.WORKER_LOST, Reason.CANCELLED):
                self.attempts.labels(kind, outcome)

    def count(self, kind: str, reports: Iterable[Report]) -> None:
        """Count the attempts that a message's reports tell of."""
        for report in reports:
            if report.stale:
                self.stale.inc()
                continue
            self.attempts.labels(kind, report.outcome).inc()
            self.run.labels(kind).observe(report.ran_s)
            self.wait.observe(report.waited_s)
