"""Metrics of the dispatcher. Those about the record are shown by the leader alone."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from taskyard.metrics import DATABASE_SECONDS, WAIT_SECONDS


class DispatcherMetrics:
    """All metric objects of one dispatcher process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.dispatched = Counter(
            "taskyard_dispatched_total",
            "Messages handed to RabbitMQ, by what became of them: confirmed or refused.",
            ["queue", "result"],
            registry=registry,
        )
        self.dispatch_delay = Histogram(
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
        self.leader = Gauge(
            "taskyard_leader", "1 for what this replica leads: a queue, or a duty.", ["leads"], registry=registry
        )
        self.recovered = Counter(
            "taskyard_recovered_total",
            "Tasks put right: lease_expired, message_lost, dead_lettered (failed, and told why).",
            ["cause"],
            registry=registry,
        )
        self.pruned = Counter(
            "taskyard_pruned_total", "Finished tasks deleted after their retention.", registry=registry
        )
        self.tasks = Gauge("taskyard_tasks", "Tasks by queue and status.", ["queue", "status"], registry=registry)
        self.oldest_waiting = Gauge(
            "taskyard_queue_oldest_waiting_seconds", "Age of the oldest task that is due.", ["queue"], registry=registry
        )
        self.paused = Gauge("taskyard_queue_paused", "1 while the queue is paused.", ["queue"], registry=registry)
        self.buffered = Gauge(
            "taskyard_buffer_messages", "Messages of the queue that wait in RabbitMQ.", ["queue"], registry=registry
        )
        self.duty_errors = Counter(
            "taskyard_duty_errors_total",
            "Rounds of a duty that failed and were tried again.",
            ["duty"],
            registry=registry,
        )
        for cause in ("lease_expired", "message_lost", "dead_lettered"):
            self.recovered.labels(cause)
