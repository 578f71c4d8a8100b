"""The way from the record to the buffer: pick what is due ▶ bundle ▶ publish ▶ mark what was confirmed.

Each queue is led by the replica that holds its advisory lock; the lock goes with the connection, so a killed leader
is followed by another within `lead_s`. Leadership is economy, not safety: a message too many claims nothing.
"""

import threading
import time
from dataclasses import dataclass
from typing import Final

import structlog

from taskyard.database import WORK_CHANNEL, Session
from taskyard.errors import UnavailableError
from taskyard.health import Pulse
from taskyard.statements import dispatching, kinds, queues
from taskyard_dispatcher.bundles import bundle
from taskyard_dispatcher.metrics import DispatcherMetrics
from taskyard_dispatcher.publisher import BufferUnavailableError, Publisher
from taskyard_dispatcher.settings import DispatcherSettings

LEAD_S: Final = 1.0
"""Seconds between tries to lead what nobody leads, and between looks for new queues and for how long kinds take."""

_BUSY_S: Final = 0.02
_PROMOTE_LIMIT: Final = 1000

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Pace:
    """When to look again: at once while there is more, soon while tasks flow, else when woken or at the next due."""

    poll_s: float
    busy_until: float = 0.0

    def pause_s(self, now: float, *, more: bool, moved: bool, next_due_s: float | None) -> float:
        """Seconds to wait from `now` (monotonic) after a round that `moved` tasks and may have left `more`."""
        if more:
            return 0.0
        if moved:
            self.busy_until = now + 0.5
        idle_s = self.poll_s if next_due_s is None else max(0.0, min(self.poll_s, next_due_s))
        return min(_BUSY_S, idle_s) if now < self.busy_until else idle_s


class Dispatch:
    """The dispatch loop of one replica. `stop` ends it between two batches."""

    def __init__(
        self,
        settings: DispatcherSettings,
        session: Session,
        publisher: Publisher,
        metrics: DispatcherMetrics,
        pulse: Pulse,
    ) -> None:
        self._settings = settings
        self._session = session
        self._publisher = publisher
        self._metrics = metrics
        self._pulse = pulse
        self._pace = Pace(settings.poll_s)
        self._led: set[str] = set()
        self._queues: list[str] = []
        self._recent_run_s: dict[str, float] = {}
        self._looked_at = 0.0
        self._promote_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Dispatch until `stop` is set; outlives any absence of PostgreSQL and RabbitMQ."""
        while not stop.is_set():
            try:
                self._session.listen(WORK_CHANNEL)
                self._forget()
                self._metrics.dispatch.listener_connected.set(1)
                while not stop.is_set():
                    self._pulse.beat()
                    self._session.wait(self._round())
            except UnavailableError as error:
                log.warning("dispatch waits for the database", error=str(error))
                self._forget()
                stop.wait(1.0)
        self._publisher.drop()

    def _round(self) -> float:
        """Do one round over the queues; return the seconds to wait for the next."""
        now = time.monotonic()
        if now >= self._looked_at + LEAD_S:
            self._looked_at = now
            self._queues = self._session.run(queues.names)
            self._recent_run_s = self._session.run(kinds.run_times_s)
            self._metrics.expect(self._queues)
            self._try_to_lead()
        promoted = self._promote(now)
        moved = 0
        more = promoted == _PROMOTE_LIMIT
        try:
            for queue in self._queues:
                if queue in self._led:
                    count = self._dispatch(queue)
                    moved += count
                    more = more or count == self._settings.dispatch_batch
        except BufferUnavailableError as error:
            log.warning("dispatch waits for the buffer", error=str(error))
            return min(1.0, self._settings.poll_s)
        next_due_s = max(0.0, self._promote_at - time.monotonic())
        return self._pace.pause_s(now, more=more, moved=moved > 0, next_due_s=next_due_s)

    def _promote(self, now: float) -> int:
        if now < self._promote_at:
            return 0
        promoted = self._session.run(dispatching.promote, _PROMOTE_LIMIT)
        poll_s, next_due_s = self._settings.poll_s, self._session.run(dispatching.next_due_s)
        self._promote_at = time.monotonic() + (poll_s if next_due_s is None else min(poll_s, max(0.0, next_due_s)))
        return promoted

    def _dispatch(self, queue: str) -> int:
        """Publish one batch of `queue`; return how many were confirmed."""
        settings = self._settings
        picked = self._session.run(dispatching.pick, queue, settings.dispatch_window, settings.dispatch_batch)
        if not picked.tasks:
            return 0
        bundles = bundle(picked, self._recent_run_s, settings.message_tasks)
        metrics = self._metrics.dispatch
        with metrics.publish_duration.time():
            taken = self._publisher.publish(queue, bundles)
        if taken:
            self._session.run(dispatching.mark_dispatched, queue, taken)
        confirmed, refused = sum(map(len, taken)), len(bundles) - len(taken)
        metrics.dispatched.labels(queue, "confirmed").inc(confirmed)
        metrics.dispatched.labels(queue, "refused").inc(len(picked.tasks) - confirmed)
        delay = metrics.delay.labels(queue)
        for task in picked.tasks:
            delay.observe(max(0.0, task.age_s))
        if refused:
            log.warning("messages not taken by RabbitMQ stay ready", queue=queue, count=refused)
        return confirmed

    def _try_to_lead(self) -> None:
        for queue in self._queues:
            if queue not in self._led and self._session.run(dispatching.lead, f"queue:{queue}"):
                self._led.add(queue)
                self._metrics.leader.labels(f"queue:{queue}").set(1)
                log.info("leads a queue", queue=queue)

    def _forget(self) -> None:
        """Give up what went with the connection."""
        self._metrics.dispatch.listener_connected.set(0)
        for name in self._led:
            self._metrics.leader.labels(f"queue:{name}").set(0)
        self._led.clear()
        self._looked_at = self._promote_at = 0.0
