"""Metrics of the API."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from taskyard.metrics import BATCH_SIZES, DATABASE_SECONDS, HTTP_SECONDS


class ApiMetrics:
    """All metric objects of one API process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "taskyard_http_requests_total", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.duration = Histogram(
            "taskyard_http_request_duration_seconds",
            "Time from the request to the end of the answer; long polls included.",
            ["method", "route"],
            buckets=HTTP_SECONDS,
            registry=registry,
        )
        self.in_progress = Gauge("taskyard_http_requests_in_progress", "Requests being answered.", registry=registry)
        self.submissions = Counter(
            "taskyard_submissions_total",
            "Tasks handed in, by what became of them: accepted, replayed, invalid, rejected.",
            ["kind", "result"],
            registry=registry,
        )
        self.commit_tasks = Histogram(
            "taskyard_commit_tasks", "Tasks recorded in one commit.", buckets=BATCH_SIZES, registry=registry
        )
        self.commit_duration = Histogram(
            "taskyard_commit_duration_seconds",
            "Time to record one batch of tasks.",
            buckets=DATABASE_SECONDS,
            registry=registry,
        )
        self.writer_backlog = Gauge(
            "taskyard_writer_backlog_tasks", "Tasks that wait for the writer.", registry=registry
        )
        self.long_polls = Gauge("taskyard_long_polls", "Requests that wait for a task's end.", registry=registry)
