"""Keeping the record small and its numbers at hand: counters, the state's metrics, and retention."""

import time
from datetime import UTC, datetime
from typing import Final

import structlog

from taskyard.database import Cursor, Session
from taskyard.metrics import END_TO_END_SECONDS
from taskyard.statements import kinds, queues, retention
from taskyard.statements.queues import Queue
from taskyard.statements.retention import Mark
from taskyard_dispatcher.metrics import DispatcherMetrics

_PRUNE_BATCH: Final = 500
_BEGINNING: Final = Mark(datetime(1970, 1, 1, tzinfo=UTC), 0)

log = structlog.get_logger(__name__)


class Upkeep:
    """Folds the ledger of moves, shows the state as metrics, and deletes what is past its retention."""

    def __init__(self, session: Session, retention_s: float, metrics: DispatcherMetrics) -> None:
        self._session = session
        self._retention_s = retention_s
        self._metrics = metrics
        self._mark = _BEGINNING

    def fold(self) -> bool:
        """Add the ledger up into the counters, and what it says of tasks that ended into the metrics."""
        folded = self._session.run(queues.fold, END_TO_END_SECONDS)
        self._metrics.record.shown.ended.add(folded.ends)
        return False

    def show(self) -> bool:
        """Set the metrics of the state."""
        metrics = self._metrics.record.shown
        started = time.monotonic()
        with metrics.refresh_errors.count_exceptions():
            overview, oldest_running, home_queues = self._session.run(_state)
        for queue in overview:
            for status, count in queue.tasks.items():
                metrics.tasks.labels(queue.name, status).set(count)
            metrics.oldest_waiting.labels(queue.name).set(queue.oldest_waiting_s or 0)
            metrics.oldest_running.labels(queue.name).set(oldest_running.get(queue.name, 0))
            metrics.paused.labels(queue.name).set(queue.paused)
        metrics.ended.expect(home_queues, [queue.name for queue in overview])
        metrics.refresh_duration.set(time.monotonic() - started)
        metrics.refreshed_at.set_to_current_time()
        return False

    def prune(self) -> bool:
        """Delete a batch of tasks past their retention; return whether the pass goes on."""
        if not self._retention_s:
            return False
        deleted, mark = self._session.run(retention.prune, self._mark, self._retention_s, _PRUNE_BATCH)
        self._metrics.pruned.inc(deleted)
        if deleted:
            log.info("pruned finished tasks", count=deleted)
        self._mark = mark or _BEGINNING
        return mark is not None


def _state(cursor: Cursor) -> tuple[list[Queue], dict[str, float], dict[str, str]]:
    return queues.overview(cursor), queues.oldest_running(cursor), kinds.home_queues(cursor)
