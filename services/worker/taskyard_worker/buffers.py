"""Waiting for the queues in RabbitMQ that a worker serves: the dispatcher makes them, and a worker has no right to.

Celery would try to consume them all the same, several times a second, and log each time that it lost its connection.
"""

from collections.abc import Iterable
from typing import Any, Final

import amqp
import structlog
from celery.worker import state
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_fixed

_LOOK_S: Final = 0.5

log = structlog.get_logger(__name__)


def await_buffers(connection: Any, buffers: Iterable[Any]) -> None:
    """Return when all of `buffers` (kombu's queues) are there, as seen by kombu's `connection`.

    Raises:
        celery.exceptions.WorkerShutdown, WorkerTerminate: the worker is told to stop meanwhile.
        OSError, amqp.AMQPError: the connection broke.
    """
    for buffer in buffers:
        Retrying(
            retry=retry_if_exception_type(amqp.NotFound),
            wait=wait_fixed(_LOOK_S),
            before=lambda _: state.maybe_shutdown(),
            before_sleep=_tell_once(buffer.name),
        )(_look_at, connection, buffer)


def check_consumed(consumer: Any) -> None:
    """Do nothing where RabbitMQ still serves kombu's `consumer` from each queue that it consumes. Asks nobody.

    A queue that is deleted takes its consumers with it. RabbitMQ says so, and py-amqp raises an error at that; but
    where a worker first reads from its connection Celery swallows it, and such a worker would wait for ever.

    Raises:
        amqp.ConsumerCancelled: it does not.
    """
    if len(consumer.channel.callbacks) < sum(map(consumer.consuming_from, consumer.queues)):
        raise amqp.ConsumerCancelled("a queue was deleted")


def _look_at(connection: Any, buffer: Any) -> None:
    with connection.channel() as channel:  # one of its own, which the broker closes when there is no such queue
        buffer(channel).queue_declare(passive=True)


def _tell_once(name: str) -> Any:
    def tell(retry: RetryCallState) -> None:
        if retry.attempt_number == 1:
            log.warning("waits for a dispatcher to make a queue in RabbitMQ", queue=name)

    return tell
