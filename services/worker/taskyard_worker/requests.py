"""Celery's requests in the parent, where each message's end is seen, a killed child's too.

Celery derives from this class once more and overrides `on_success` there, so that a method of that name would never
be called; an attribute of the instance is found first.
"""

from typing import Any

from billiard.exceptions import WorkerLostError
from celery.worker.request import Request

from taskyard.broker import attempts_in, queue_name
from taskyard_worker.metrics import WorkerMetrics
from taskyard_worker.reports import AttemptFailedError, parse
from taskyard_worker.run_times import RunTimes
from taskyard_worker.supervisor import Supervisor


class AttemptRequest(Request):  # type: ignore[misc]  # celery carries no types
    """A message in the parent. Abstract: `observed_by` says who is told."""

    supervisor: Supervisor
    metrics: WorkerMetrics
    run_times: RunTimes

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._celery_on_success: Any = super().on_success
        self.on_success = self._count_success

    def _count_success(self, failed_retval_runtime: Any, **kwargs: Any) -> Any:
        failed, retval, _ = failed_retval_runtime
        if not failed:
            self._count(str(retval))
        return self._celery_on_success(failed_retval_runtime, **kwargs)

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        """Count what failed, and have what was lost recorded; then do what Celery does."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, AttemptFailedError):
            self._count(str(error))
        elif isinstance(error, WorkerLostError | SystemExit):
            self._lose(str(error))
        return super().on_failure(exc_info, *args, **kwargs)

    def _count(self, text: str) -> None:
        queue, reports = queue_name(self.delivery_info["routing_key"] or ""), parse(text)
        self.metrics.attempts.count(self.name, queue, reports)
        for report in reports:
            self.run_times.note(self.name, report.ran_s)

    def _lose(self, message: str) -> None:
        self.metrics.killed.labels("lost").inc()
        try:
            attempts = attempts_in(self.args)
        except ValueError:
            return
        self.supervisor.lost(attempts, message)


def observed_by(supervisor: Supervisor, metrics: WorkerMetrics, run_times: RunTimes) -> type[AttemptRequest]:
    """Return a class of requests that tell `metrics` and `run_times` what ended, and `supervisor` what was lost."""
    told = {"supervisor": supervisor, "metrics": metrics, "run_times": run_times}
    return type("ObservedRequest", (AttemptRequest,), told)
