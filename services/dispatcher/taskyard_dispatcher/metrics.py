"""Metrics of the dispatcher: what this replica does, and what the replica that leads shows of the whole.

    every replica   its own deeds, added up over replicas
    leader          the state of the record, the state of the buffer, what the consistency check found: there while it
                    leads, gone when it does not

Two replicas that show the same state would count it twice, and an old leader's would stay as it was for ever.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from taskyard.metrics import DATABASE_SECONDS, WAIT_SECONDS
from taskyard.statements.consistency import Rule
from taskyard_dispatcher.ended import EndedTasks

M = TypeVar("M")

RECORD: Final = "record"
BUFFER: Final = "buffer"
CONSISTENCY: Final = "consistency"
"""What a replica can lead, beside a queue."""

_CAUSES: Final = ("lease_expired", "message_lost", "dead_lettered")


class Led(Collector, Generic[M]):
    """Metrics that are shown by a leader alone. They begin anew with each leadership."""

    def __init__(self, registry: CollectorRegistry, make: Callable[[CollectorRegistry], M]) -> None:
        self._make = make
        self._shown: tuple[CollectorRegistry, M] | None = None
        registry.register(self)

    @property
    def shown(self) -> M:
        """The metrics, which are shown from now on. For the thread that leads."""
        if self._shown is None:
            registry = CollectorRegistry()
            self._shown = registry, self._make(registry)
        return self._shown[1]

    def drop(self) -> None:
        """Show nothing any more: another replica leads."""
        self._shown = None

    def collect(self) -> Iterator[Metric]:
        """Give what is shown."""
        shown = self._shown
        return iter(()) if shown is None else iter(shown[0].collect())


class RecordMetrics:
    """What the leader of the record shows of it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tasks = Gauge("taskyard_tasks", "Tasks by queue and status.", ["queue", "status"], registry=registry)
        self.oldest_waiting = Gauge(
            "taskyard_queue_oldest_waiting_seconds", "Age of the oldest task that is due.", ["queue"], registry=registry
        )
        self.oldest_running = Gauge(
            "taskyard_queue_oldest_running_seconds", "How long the oldest attempt runs.", ["queue"], registry=registry
        )
        self.paused = Gauge("taskyard_queue_paused", "1 while the queue is paused.", ["queue"], registry=registry)
        self.refreshed_at = Gauge(
            "taskyard_stats_last_refresh_timestamp_seconds", "When the state was last read.", registry=registry
        )
        self.refresh_duration = Gauge(
            "taskyard_stats_refresh_duration_seconds", "Time that reading it took.", registry=registry
        )
        self.refresh_errors = Counter(
            "taskyard_stats_refresh_errors_total", "Times that it could not be read.", registry=registry
        )
        self.ended = EndedTasks()
        registry.register(self.ended)


class BufferMetrics:
    """What the leader of the buffer shows of it, and of the canaries that it sends through everything."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Gauge(
            "taskyard_buffer_messages", "Messages of the queue that wait in RabbitMQ.", ["queue"], registry=registry
        )
        self.canary_success = Gauge(
            "taskyard_canary_last_success_timestamp_seconds",
            "When a canary last came through the queue; before the first one, since when that is awaited.",
            ["queue"],
            registry=registry,
        )
        self.canary_duration = Gauge(
            "taskyard_canary_duration_seconds",
            "Time from the submission of that canary to its end.",
            ["queue"],
            registry=registry,
        )


class ConsistencyMetrics:
    """What the leader of the consistency check shows of what it found."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.violations = Counter(
            "taskyard_consistency_violations_total",
            "Violations of a rule of the record that were found; one that stands is found in each pass.",
            ["rule"],
            registry=registry,
        )
        self.mended = Counter(
            "taskyard_consistency_mended_total",
            "Those of them that were put right at once.",
            ["rule"],
            registry=registry,
        )
        self.standing = Gauge(
            "taskyard_consistency_standing_violations", "Violations that were not put right.", registry=registry
        )
        self.examined = Counter(
            "taskyard_consistency_examined_total", "Tasks that the check looked at.", registry=registry
        )
        self.last_pass = Gauge(
            "taskyard_consistency_last_pass_timestamp_seconds",
            "When the last full pass ended; before the first one, since when that is awaited.",
            registry=registry,
        )
        self.last_pass_duration = Gauge(
            "taskyard_consistency_last_pass_duration_seconds", "Time that the last full pass took.", registry=registry
        )
        for rule in Rule:
            self.violations.labels(rule)
            self.mended.labels(rule)


class DispatchMetrics:
    """This replica's way from the record to the buffer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.dispatched = Counter(
            "taskyard_dispatched_total",
            "Messages handed to RabbitMQ, by what became of them: confirmed or refused.",
            ["queue", "result"],
            registry=registry,
        )
        self.delay = Histogram(
            "taskyard_dispatch_delay_seconds",
            "Time from being due to being published.",
            ["queue"],
            buckets=WAIT_SECONDS,
            registry=registry,
        )
        self.publish_duration = Histogram(
            "taskyard_publish_duration_seconds",
            "Time to publish one batch and have it confirmed.",
            buckets=DATABASE_SECONDS,
            registry=registry,
        )
        self.listener_connected = Gauge(
            "taskyard_listener_connected", "1 while the connection that is woken by NOTIFY is there.", registry=registry
        )

    def expect(self, queue: str) -> None:
        """Show what has not happened yet to `queue` as 0."""
        self.delay.labels(queue)
        for result in ("confirmed", "refused"):
            self.dispatched.labels(queue, result)


class DispatcherMetrics:
    """All metrics of one replica."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.record = Led(registry, RecordMetrics)
        self.buffer = Led(registry, BufferMetrics)
        self.consistency = Led(registry, ConsistencyMetrics)
        self.dispatch = DispatchMetrics(registry)
        self.leader = Gauge(
            "taskyard_leader", "1 for what this replica leads: a queue, or a duty.", ["leads"], registry=registry
        )
        self.duty_errors = Counter(
            "taskyard_duty_errors_total",
            "Rounds of a duty that failed and were tried again.",
            ["duty"],
            registry=registry,
        )
        self.recovered = Counter(
            "taskyard_recovered_total",
            "Tasks put right: lease_expired, message_lost, dead_lettered (failed, and told why).",
            ["cause", "queue"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "taskyard_dead_letters_total",
            "Dead letters taken away: task_failed, out_of_date (no task waited for it), foreign (no message of ours).",
            ["found"],
            registry=registry,
        )
        for found in ("task_failed", "out_of_date", "foreign"):
            self.dead_letters.labels(found)
        self.pruned = Counter(
            "taskyard_pruned_total", "Finished tasks deleted after their retention.", registry=registry
        )
        self._expected: set[str] = set()

    def expect(self, queues: Iterable[str]) -> None:
        """Show what has not happened yet to `queues` as 0, so that a first time is seen as a rise."""
        for queue in set(queues) - self._expected:
            self._expected.add(queue)
            self.dispatch.expect(queue)
            self.leader.labels(f"queue:{queue}")
            for cause in _CAUSES:
                self.recovered.labels(cause, queue)
