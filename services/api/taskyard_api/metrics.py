"""Metrics of the API, in groups: requests, submissions, what people do to tasks, and connections."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from taskyard.errors import ConflictError, InvalidError, NotFoundError
from taskyard.metrics import BATCH_SIZES, DATABASE_SECONDS, HTTP_SECONDS

Result = Literal["accepted", "replayed", "invalid", "rejected", "error"]
Action = Literal["cancel", "retry", "delete", "edit", "pause", "resume"]

UNKNOWN: Final = "unknown"
"""The label of a kind or queue that is not in the catalogue: not whatever a client may write."""

_RESULTS: Final[tuple[Result, ...]] = ("accepted", "replayed", "invalid", "rejected", "error")
_ACTIONS: Final[tuple[Action, ...]] = ("cancel", "retry", "delete", "edit", "pause", "resume")
_REFUSED_FOR: Final = ("too_many", "slow_headers", "slow_body", "large_headers", "malformed", "stalled")
_REFUSALS: Final = (ConflictError, NotFoundError, InvalidError)


class RequestMetrics:
    """Requests and their answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "taskyard_http_requests_total", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self._duration = Histogram(
            "taskyard_http_request_duration_seconds",
            "Time from the request to the end of the answer; long polls included.",
            ["method", "route"],
            buckets=HTTP_SECONDS,
            registry=registry,
        )
        self.in_progress = Gauge("taskyard_http_requests_in_progress", "Requests being answered.", registry=registry)
        self.long_polls = Gauge("taskyard_long_polls", "Requests that wait for a task's end.", registry=registry)
        # To find what has these labels takes the client library longer than to count.
        self._found: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count a request and its answer. `method` and `route` are of a few: each that was ever seen is kept."""
        found = self._found.get((method, route, status))
        if found is None:
            found = self._requests.labels(method, route, str(status)), self._duration.labels(method, route)
            self._found[method, route, status] = found
        found[0].inc()
        found[1].observe(duration_s)


class ConnectionMetrics:
    """Connections of clients, and those that were closed on them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge("taskyard_http_connections", "Connections that are open.", registry=registry)
        self.refused = Counter(
            "taskyard_http_connections_refused_total",
            "Connections closed on a client: it was too slow, sent too large headers, or there were too many.",
            ["cause"],
            registry=registry,
        )
        for cause in _REFUSED_FOR:
            self.refused.labels(cause)


class SubmissionMetrics:
    """Tasks that were handed in, and the commits that record them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._submissions = Counter(
            "taskyard_submissions_total",
            "Tasks handed in, by what became of them: accepted, replayed, invalid, rejected, error.",
            ["kind", "queue", "result"],
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
        self._found: dict[tuple[str, str, Result], Counter] = {}
        self.expect(UNKNOWN, UNKNOWN)

    def expect(self, kind: str, queue: str) -> None:
        """Show what has not happened yet to this kind in this queue as 0."""
        for result in _RESULTS:
            self._submissions.labels(kind, queue, result)

    def count(self, places: Iterable[tuple[str, str]], result: Result) -> None:
        """Count what became of the tasks at these `places`: the kind and the queue of each, of those that there are."""
        for kind, queue in places:
            found = self._found.get((kind, queue, result))
            if found is None:
                found = self._found[kind, queue, result] = self._submissions.labels(kind, queue, result)
            found.inc()


class ReaderMetrics:
    """The connections for everything but submissions, and who waits for one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.size = Gauge("taskyard_readers", "Connections for everything but submissions.", registry=registry)
        self.busy = Gauge("taskyard_readers_busy", "Those of them that are in use.", registry=registry)
        self.wait = Histogram(
            "taskyard_reader_wait_seconds", "Time to get one.", buckets=DATABASE_SECONDS, registry=registry
        )
        self.rejections = Counter(
            "taskyard_reader_rejections_total", "Requests refused since too many waited for one.", registry=registry
        )


class ApiMetrics:
    """All metrics of one API process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.http = RequestMetrics(registry)
        self.connections = ConnectionMetrics(registry)
        self.submissions = SubmissionMetrics(registry)
        self.readers = ReaderMetrics(registry)
        self._actions = Counter(
            "taskyard_operator_actions_total",
            "What people did to tasks and queues, and what was refused.",
            ["action", "result"],
            registry=registry,
        )
        for action in _ACTIONS:
            for result in ("done", "refused"):
                self._actions.labels(action, result)

    @contextmanager
    def acting(self, action: Action) -> Iterator[None]:
        """Count the action that the block does: done, or refused by an error that blames the request."""
        try:
            yield
        except _REFUSALS:
            self._actions.labels(action, "refused").inc()
            raise
        self._actions.labels(action, "done").inc()
