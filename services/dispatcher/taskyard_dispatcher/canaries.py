"""Canaries: a task that does nothing goes through each queue from time to time, and tells that what is sent arrives.

    submitted ──▶ dispatched ──▶ claimed ──▶ finished: everything between works, and took so long

A queue has one at a time, so they never pile up where nothing arrives. None is sent where nobody would take it: to a
paused queue, or one without workers. The last one stays in the record until the next one takes its place.
"""

import time
from collections.abc import Callable

import structlog

from taskyard.database import Session, wake
from taskyard.statements import canaries
from taskyard.statements.canaries import Canary, Sighting
from taskyard.states import FINAL, Status
from taskyard_dispatcher.metrics import DispatcherMetrics

log = structlog.get_logger(__name__)


class Canaries:
    """Sends a canary through each queue that `has_workers`, `every_s` after the last one, and shows how it fared."""

    def __init__(
        self, session: Session, every_s: float, has_workers: Callable[[str], bool], metrics: DispatcherMetrics
    ) -> None:
        self._session = session
        self._every_s = every_s
        self._has_workers = has_workers
        self._metrics = metrics
        self._awaited_since: dict[str, float] = {}

    def look_after(self) -> bool:
        """Look at each queue once; there is never more to do at once."""
        sent = [self._look_at(sighting) for sighting in self._session.run(canaries.sighted)]
        if any(sent):
            self._session.run(wake)
        return False

    def forget(self) -> None:
        """Await nothing: another replica looks after them now."""
        self._awaited_since.clear()

    def _look_at(self, sighting: Sighting) -> bool:
        """Show what the canary of a queue tells, and return whether a new one was sent."""
        queue, canary = sighting.queue, sighting.canary
        if sighting.paused or not self._has_workers(queue):
            self._hide(queue)
            return False
        self._show(queue, canary)
        if canary is not None and (canary.status not in FINAL or canary.age_s < self._every_s):
            return False
        if canary is not None and canary.status is not Status.SUCCEEDED:
            log.warning("canary died", queue=queue, task_id=canary.task_id, status=canary.status)
        with self._session.transaction() as cursor:
            return canaries.send(cursor, queue, canary) is not None

    def _show(self, queue: str, canary: Canary | None) -> None:
        """Show the last success; where it was before they were awaited, as after a pause, from when they are."""
        metrics = self._metrics.buffer.shown
        if queue not in self._awaited_since:
            self._awaited_since[queue] = time.time()
            metrics.canary_success.labels(queue).set(self._awaited_since[queue])
        if canary is not None and canary.status is Status.SUCCEEDED and canary.end is not None:
            metrics.canary_success.labels(queue).set(max(canary.end.at_s, self._awaited_since[queue]))
            metrics.canary_duration.labels(queue).set(canary.end.took_s)

    def _hide(self, queue: str) -> None:
        """Show nothing of a queue that nothing is sent through."""
        if self._awaited_since.pop(queue, None) is not None:
            metrics = self._metrics.buffer.shown
            metrics.canary_success.remove(queue)
            metrics.canary_duration.remove(queue)
