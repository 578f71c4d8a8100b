"""Metrics of the worker, all kept by the parent process: it outlives its children and sees how they end."""

from collections import Counter as Counted
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from taskyard.handlers import Kind
from taskyard.metrics import RUN_SECONDS, WAIT_SECONDS
from taskyard.states import Reason
from taskyard_worker.reports import Report

_OUTCOMES = ("succeeded", Reason.ERROR, Reason.TIMEOUT, Reason.WORKER_LOST, Reason.CANCELLED)


class AttemptMetrics:
    """Attempts that ended."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "taskyard_attempts_total",
            "Attempts that ended, by outcome: succeeded, or the reason why not.",
            ["kind", "queue", "outcome"],
            registry=registry,
        )
        self._run = Histogram(
            "taskyard_attempt_run_seconds",
            "Time in the handler.",
            ["kind", "queue"],
            buckets=RUN_SECONDS,
            registry=registry,
        )
        self._wait = Histogram(
            "taskyard_attempt_wait_seconds",
            "Time from being due to being claimed.",
            ["queue"],
            buckets=WAIT_SECONDS,
            registry=registry,
        )
        self._stale = Counter(
            "taskyard_stale_outcomes_total", "Outcomes that came too late and were dropped.", registry=registry
        )
        self._idle = Counter(
            "taskyard_idle_messages_total",
            "Messages that claimed nothing: duplicates, or tasks changed meanwhile.",
            registry=registry,
        )

    def expect(self, kind: str, queue: str) -> None:
        """Show what has not happened yet to this kind in this queue as 0, so that a first time is seen as a rise."""
        self._run.labels(kind, queue)
        self._wait.labels(queue)
        for outcome in _OUTCOMES:
            self._ended.labels(kind, queue, outcome)

    def count(self, kind: str, queue: str, reports: Sequence[Report]) -> None:
        """Count the attempts that a message's reports tell of; a message without any was idle."""
        if not reports:
            self._idle.inc()
        own = [report for report in reports if not report.stale]
        if stale := len(reports) - len(own):
            self._stale.inc(stale)
        for outcome, count in Counted(report.outcome for report in own).items():
            self._ended.labels(kind, queue, outcome).inc(count)
        run, wait = self._run.labels(kind, queue), self._wait.labels(queue)
        for report in own:
            run.observe(report.ran_s)
            wait.observe(report.waited_s)

    def count_unreported(self, kind: str, queue: str, reason: str) -> None:
        """Count an attempt whose child could not report its end any more."""
        self._ended.labels(kind, queue, reason).inc()


class CapacityMetrics:
    """What this worker can do, and does just now. Its slots are those of a pool of workers."""

    def __init__(self, registry: CollectorRegistry, pool: str, slots: int, queues: Iterable[str]) -> None:
        size = Gauge("taskyard_worker_slots", "Attempts that can run at once.", ["pool"], registry=registry)
        size.labels(pool).set(slots)
        busy = Gauge("taskyard_worker_slots_busy", "Attempts that run.", ["pool"], registry=registry)
        self.slots_busy = busy.labels(pool)
        serves = Gauge("taskyard_worker_serves", "1 for each queue that it serves.", ["queue"], registry=registry)
        for queue in queues:
            serves.labels(queue).set(1)
        self._reserved = Gauge(
            "taskyard_worker_reserved_messages",
            "Messages that it holds: those that run, and those that wait for a slot.",
            registry=registry,
        )
        self._draining = Gauge(
            "taskyard_worker_draining", "1 while it takes nothing new and finishes what runs.", registry=registry
        )
        self._connected = Gauge(
            "taskyard_worker_broker_connected", "1 while it is connected to RabbitMQ.", registry=registry
        )

    def ask(self, *, reserved: Callable[[], int], draining: Callable[[], bool], connected: Callable[[], bool]) -> None:
        """Ask these, whenever the metrics are shown."""
        self._reserved.set_function(reserved)
        self._draining.set_function(draining)
        self._connected.set_function(connected)


class WorkerMetrics:
    """All metrics of one worker."""

    def __init__(self, registry: CollectorRegistry, pool: str, slots: int, queues: Iterable[str]) -> None:
        self.capacity = CapacityMetrics(registry, pool, slots, queues)
        self.attempts = AttemptMetrics(registry)
        self.renewals = Counter("taskyard_lease_renewals_total", "Leases extended.", registry=registry)
        self.killed = Counter(
            "taskyard_children_killed_total",
            "Children that died while they ran: killed for timeout, cancelled, memory; lost: all of them.",
            ["cause"],
            registry=registry,
        )
        for cause in ("timeout", "cancelled", "memory", "lost"):
            self.killed.labels(cause)
        self.refused = Counter(
            "taskyard_messages_refused_total",
            "Messages dead-lettered: unknown_kind, or malformed, which no dispatcher wrote; forged_death: dropped.",
            ["reason"],
            registry=registry,
        )
        for reason in ("unknown_kind", "malformed", "forged_death"):
            self.refused.labels(reason)


def places(kinds: Mapping[str, Kind], queues: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give each kind with the queue in which this worker will most likely meet it; where that is none of `queues`, all.

    Any kind can be submitted to any queue. All pairs of them would be too many series to have at 0.
    """
    for kind in kinds.values():
        for queue in queues:
            if queue == kind.queue or kind.queue not in queues:
                yield kind.name, queue
