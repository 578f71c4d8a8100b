"""Duties that are done again and again by one replica at a time: a loop, its leadership, and its rounds."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from taskyard.database import Session
from taskyard.errors import UnavailableError
from taskyard.health import Pulse
from taskyard.statements import dispatching
from taskyard_dispatcher.metrics import DispatcherMetrics
from taskyard_dispatcher.publisher import BufferUnavailableError

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Duty:
    """Something to do every `every_s` seconds. `act` returns whether it left more to do at once."""

    name: str
    every_s: float
    act: Callable[[], bool]
    due_at: float = field(default=0.0)


class Loop:
    """Runs duties in turn while this replica leads `word`; one that fails is logged and tried at its next round.

    `stand_by` is what it does each second while it does not lead.
    """

    def __init__(
        self,
        word: str,
        session: Session,
        duties: Sequence[Duty],
        metrics: DispatcherMetrics,
        pulse: Pulse,
        stand_by: Callable[[], None] = lambda: None,
    ) -> None:
        self._word = word
        self._session = session
        self._duties = duties
        self._metrics = metrics
        self._pulse = pulse
        self._stand_by = stand_by
        for duty in duties:
            metrics.duty_errors.labels(duty.name)
        metrics.leader.labels(word)

    def run(self, stop: threading.Event) -> None:
        """Do the duties until `stop` is set."""
        leader = self._metrics.leader.labels(self._word)
        while not stop.is_set():
            self._pulse.beat()
            try:
                if self._session.run(dispatching.lead, self._word):
                    leader.set(1)
                    self._lead(stop)
            except UnavailableError as error:
                log.warning("duties wait for the database", leads=self._word, error=str(error))
            leader.set(0)
            try:
                self._stand_by()
            except BufferUnavailableError as error:
                log.warning("stands by, and waits for the buffer", would_lead=self._word, error=str(error))
            stop.wait(1.0)
        self._session.close()

    def _lead(self, stop: threading.Event) -> None:
        """Do what is due for as long as the connection, and with it the lock, holds."""
        while not stop.is_set() and self._session.is_open:
            self._pulse.beat()
            for duty in self._duties:
                if duty.due_at <= time.monotonic():
                    self._do(duty)
            stop.wait(max(0.0, min(duty.due_at for duty in self._duties) - time.monotonic()))

    def _do(self, duty: Duty) -> None:
        duty.due_at = time.monotonic() + duty.every_s
        try:
            if duty.act():
                duty.due_at = time.monotonic()
        except BufferUnavailableError as error:
            self._metrics.duty_errors.labels(duty.name).inc()
            log.warning("duty waits for the buffer", duty=duty.name, error=str(error))
        except UnavailableError:
            self._metrics.duty_errors.labels(duty.name).inc()
            raise
        except Exception:
            self._metrics.duty_errors.labels(duty.name).inc()
            log.exception("duty failed", duty=duty.name)
