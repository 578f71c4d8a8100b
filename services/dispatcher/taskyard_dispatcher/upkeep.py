"""Keeping the record small and its numbers at hand: counters, the state's metrics, and retention."""

from datetime import UTC, datetime
from typing import Final

import structlog

from taskyard.database import Session
from taskyard.statements import queues, retention
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
        """Add the ledger up into the counters."""
        self._session.run(queues.fold)
        return False

    def show(self) -> bool:
        """Set the metrics of the state."""
        for queue in self._session.run(queues.overview):
            for status, count in queue.tasks.items():
                self._metrics.tasks.labels(queue.name, status).set(count)
            self._metrics.oldest_waiting.labels(queue.name).set(queue.oldest_waiting_s or 0)
            self._metrics.paused.labels(queue.name).set(queue.paused)
        return False

    def hide(self) -> None:
        """Drop the metrics of the state: another replica shows them now."""
        self._metrics.tasks.clear()
        self._metrics.oldest_waiting.clear()
        self._metrics.paused.clear()

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
