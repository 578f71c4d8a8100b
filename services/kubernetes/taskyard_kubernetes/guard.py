"""The guard: keeps the deletion costs of workers' pods true to the record, so that a scale-in takes idle ones first.

It only looks and annotates. While it is away costs grow old, and a scale-in may pick a busy worker, which then drains
as at every other end.
"""

import threading
import time
from collections.abc import Mapping
from http import HTTPStatus

import structlog

from taskyard.database import Session
from taskyard.errors import UnavailableError
from taskyard.health import Pulse
from taskyard.statements import workers
from taskyard_kubernetes.api_server import ApiServer, ClusterError, RefusedError
from taskyard_kubernetes.costs import Change, decide
from taskyard_kubernetes.metrics import GuardMetrics
from taskyard_kubernetes.settings import GuardSettings

log = structlog.get_logger(__name__)


class Guard:
    """The guard of the workers in one namespace."""

    def __init__(
        self,
        settings: GuardSettings,
        namespace: str,
        session: Session,
        server: ApiServer,
        metrics: GuardMetrics,
        pulse: Pulse,
    ) -> None:
        self._settings = settings
        self._namespace = namespace
        self._session = session
        self._server = server
        self._metrics = metrics
        self._pulse = pulse
        self._too_high_since: Mapping[str, float] = {}
        self.works = False
        """Whether the last round made the costs true."""

    def run(self, stop: threading.Event) -> None:
        """Keep the costs true until `stop` is set; outlives any absence of PostgreSQL and of the API server."""
        while not stop.is_set():
            self._pulse.beat()
            try:
                self.round(time.monotonic())
                self.works = True
            except (UnavailableError, ClusterError) as error:
                self.works = False
                log.warning("costs are not up to date", error=str(error))
            stop.wait(self._settings.guard_poll_s)

    def round(self, now_s: float) -> None:
        """Make the costs true once. `now_s` is on the monotonic clock.

        Raises:
            UnavailableError: PostgreSQL is away.
            ClusterError: the API server is away, or refuses.
        """
        oldest_s = self._session.run(workers.oldest_s)
        with self._pulse.outside():
            pods = self._server.worker_pods(self._namespace, self._settings.guard_selector)
        self._metrics.busy_pods.set(sum(pod.name in oldest_s for pod in pods))
        decision = decide(pods, oldest_s, self._too_high_since, now_s)
        self._too_high_since = decision.too_high_since
        refusals = [error for change in decision.changes if (error := self._make(change)) is not None]
        if refusals:
            raise refusals[0]
        self._metrics.last_round.set_to_current_time()

    def _make(self, change: Change) -> RefusedError | None:
        """Make a change; return why it was refused, so that the others are made all the same."""
        try:
            with self._pulse.outside():
                self._server.set_cost(self._namespace, change.pod, change.cost)
        except RefusedError as error:
            gone = error.status == HTTPStatus.NOT_FOUND
            self._metrics.patches.labels("gone" if gone else "refused").inc()
            return None if gone else error
        self._metrics.patches.labels("done").inc()
        log.info("deletion cost set", pod=change.pod, cost=change.cost)
        return None
