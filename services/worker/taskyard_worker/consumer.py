"""Celery's consumer as the worker needs it: no queues for delayed messages, and no message that can stop it.

Celery acknowledges, and so loses, a body that it cannot decode; one of an unknown kind that it cannot decode either
ends the whole worker. Here whatever is no message of ours is rejected before Celery acts on it: the broker
dead-letters it, and the dispatcher tells its task, where it has one.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from celery.worker import state
from celery.worker.consumer import Consumer

from taskyard.messages import check_way, has_readable_deaths, read
from taskyard_worker.buffers import await_buffers, check_consumed
from taskyard_worker.deliveries import Deliveries
from taskyard_worker.metrics import WorkerMetrics

_SHOWN_CHARS: Final = 500

log = structlog.get_logger(__name__)


class BufferConsumer(Consumer):  # type: ignore[misc]  # celery carries no types
    """The consumer of one worker, in its parent process. Abstract: `counted_by` says who is told what it refuses."""

    metrics: WorkerMetrics

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]  # celery carries no types
        """The steps of a consumer's start."""

        # Delays are rows of the record, not messages.
        default_steps = tuple(step for step in Consumer.Blueprint.default_steps if "delayed_delivery" not in step)

    turned_at: float = 0.0
    """When the event loop last turned, on the monotonic clock."""

    _received: int = 0

    def update_strategies(self) -> None:
        """Wait for the queues: what Celery calls first whenever it is about to consume them."""
        await_buffers(self.connection, self.app.amqp.queues.consume_from.values())
        super().update_strategies()

    def register_with_event_loop(self, hub: Any) -> None:
        """Take part in each turn of the event loop."""
        self._deliveries = Deliveries()
        hub.on_tick.add(self._turn)
        super().register_with_event_loop(hub)

    def _turn(self) -> None:
        self.turned_at = now = time.monotonic()
        if (consumer := self.task_consumer) is not None:
            check_consumed(consumer)
            self._deliveries.check(
                self.connection,
                filter(consumer.consuming_from, consumer.queues),
                has_room=len(state.reserved_requests) < self.qos.value,
                received=self._received,
                now=now,
            )

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return what handles each message."""
        handle = super().create_task_handler(*args, **kwargs)
        broken = self.connection_errors + self.connection.channel_errors

        def handle_or_refuse(message: Any) -> None:
            self._received += 1
            try:
                check_way(message.delivery_info.get("exchange"), message.delivery_info.get("routing_key"))
                read(message.headers, message.content_type, message.content_encoding, message.body)
                handle(message)
            except broken:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a message does, the next one is served
                self._refuse(message, error)

        return handle_or_refuse

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Refuse a message whose body cannot be read."""
        self._refuse(message, exc)

    def on_unknown_message(self, _body: Any, message: Any) -> None:
        """Refuse a message that does not say what it is."""
        self._refuse(message, None)

    def on_unknown_task(self, _body: Any, message: Any, exc: Exception) -> None:
        """Refuse a message of a kind that this worker has no handler for."""
        self._refuse(message, exc, "unknown_kind")

    def on_invalid_task(self, _body: Any, message: Any, exc: Exception) -> None:
        """Refuse a message that breaks Celery's format."""
        self._refuse(message, exc)

    def _refuse(self, message: Any, error: Exception | None, reason: str = "malformed") -> None:
        """Have the broker dead-letter it; but not where that would end its dead-lettering of all queues."""
        forged = not has_readable_deaths(message.headers)
        self.metrics.refused.labels("forged_death" if forged else reason).inc()
        log.warning(
            "message refused: it is dropped" if forged else "message refused: it is dead-lettered",
            error=f"{type(error).__name__}: {error}"[:_SHOWN_CHARS] if error else "it has no kind",
            headers=str(message.headers)[:_SHOWN_CHARS],
        )
        if not message.acknowledged:
            settle = message.ack_log_error if forged else message.reject_log_error
            settle(log, self.connection_errors)


def counted_by(metrics: WorkerMetrics) -> type[BufferConsumer]:
    """Return a class of consumers that tell `metrics` what they refuse."""
    return type("CountedConsumer", (BufferConsumer,), {"metrics": metrics})
