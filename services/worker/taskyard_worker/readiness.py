"""Whether this worker takes messages just now, as seen from any thread of the parent."""

import threading
import time
from typing import Any, Final

from celery.worker import state

from taskyard_worker.consumer import BufferConsumer
from taskyard_worker.metrics import CapacityMetrics

_TURN_S: Final = 15.0
"""Celery's event loop turns at least every 10 s, also when nothing happens."""


class Readiness:
    """What is known of Celery's worker, once `watch` says which one it is."""

    def __init__(self) -> None:
        self._worker: Any = None
        self._draining = threading.Event()

    def watch(self, worker: Any) -> None:
        """Look at the consumer of this Celery worker from now on."""
        self._worker = worker

    def drain(self) -> None:
        """Say that the worker takes nothing new any more."""
        self._draining.set()

    def show(self, metrics: CapacityMetrics) -> None:
        """Have the metrics tell what is known."""
        metrics.ask(
            reserved=lambda: self.reserved_messages,
            draining=lambda: self.is_draining,
            connected=lambda: self.is_connected,
        )

    @property
    def reserved_messages(self) -> int:
        """How many messages it holds: those that run, and those that wait for a child."""
        return len(state.reserved_requests)

    @property
    def is_draining(self) -> bool:
        """Whether it was told to stop, and only finishes what runs."""
        return self._draining.is_set()

    @property
    def is_connected(self) -> bool:
        """Whether it has a connection to RabbitMQ."""
        consumer = self._consumer()
        return consumer is not None and consumer.connection is not None

    @property
    def is_consuming(self) -> bool:
        """Whether RabbitMQ gives it messages, and it looks at them."""
        consumer = self._consumer()
        if consumer is None or consumer.connection is None or consumer.task_consumer is None:
            return False
        return time.monotonic() - consumer.turned_at < _TURN_S

    def _consumer(self) -> BufferConsumer | None:
        return getattr(self._worker, "consumer", None)
