"""Celery's requests in the parent, where each message's end is seen, a killed child's too.

Celery derives from this class once more and overrides `on_success` there, so that a method of that name would never
be called; an attribute of the instance is found first.
"""

from typing import Any

from billiard.exceptions import WorkerLostError
from celery.worker.request import Request

from taskyard.broker import attempts_in
from taskyard_worker.metrics import WorkerMetrics
from taskyard_worker.reports import AttemptFailedError, parse
from taskyard_worker.supervisor import Supervisor


def observed_request(supervisor: Supervisor, metrics: WorkerMetrics) -> type[Request]:
    """Return a class of requests that tell `metrics` what ended, and `supervisor` what was lost."""

    class AttemptRequest(Request):  # type: ignore[misc]  # celery carries no types
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._celery_on_success: Any = self.on_success
            self.on_success = self._count_success

        def _count_success(self, failed_retval_runtime: Any, **kwargs: Any) -> Any:
            failed, retval, _ = failed_retval_runtime
            if not failed:
                self._count(str(retval))
            return self._celery_on_success(failed_retval_runtime, **kwargs)

        def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            error = getattr(exc_info.exception, "exc", exc_info.exception)
            if isinstance(error, AttemptFailedError):
                self._count(str(error))
            elif isinstance(error, WorkerLostError | SystemExit):
                self._lose(str(error))
            return super().on_failure(exc_info, *args, **kwargs)

        def _count(self, text: str) -> None:
            reports = parse(text)
            if not reports:
                metrics.duplicates.inc()
            metrics.count(self.name, reports)

        def _lose(self, message: str) -> None:
            metrics.killed.labels("lost").inc()
            try:
                attempts = attempts_in(self.args)
            except ValueError:
                return
            for held in attempts:
                supervisor.lost(held, message)

    return AttemptRequest
