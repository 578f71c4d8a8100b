"""Notices that RabbitMQ keeps from a worker what waits for it, though the worker has room.

Who deletes a queue that is declared again at once leaves RabbitMQ's channels with an odd consumer: the channel moves it
to the new queue by itself, tells the client nothing, and may drop what that queue then sends. On the connection all
looks well, for ever; only a new one helps.
"""

from collections.abc import Iterable
from typing import Any, Final

import amqp

LOOK_S: Final = 2.0
"""Seconds between two looks at the queues."""


class Deliveries:
    """Looks every `LOOK_S` at the queues of a consumer that has room. To be asked as often as one likes."""

    def __init__(self) -> None:
        self._next_at = 0.0
        self._received_then: int | None = None

    def check(self, connection: Any, buffers: Iterable[Any], *, has_room: bool, received: int, now: float) -> None:
        """Do nothing where messages of `buffers` (kombu's queues) come, or none wait; `received` is how many came yet.

        Asks RabbitMQ over kombu's `connection`, on a channel of its own. `now` is in seconds, of a monotonic clock.

        Raises:
            amqp.ConsumerCancelled: at two looks, one after the other, messages waited and none came in between; or
                there is no such queue any more.
            OSError, amqp.AMQPError: the connection broke.
        """
        if now < self._next_at:
            return
        self._next_at = now + LOOK_S
        if not has_room or not _any_waits(connection, buffers):
            self._received_then = None
        elif self._received_then == received:
            raise amqp.ConsumerCancelled("messages wait, and RabbitMQ does not deliver them")
        else:
            self._received_then = received


def _any_waits(connection: Any, buffers: Iterable[Any]) -> bool:
    try:
        with connection.channel() as channel:  # one of its own, which the broker closes when there is no such queue
            return any(buffer(channel).queue_declare(passive=True).message_count for buffer in buffers)
    except amqp.NotFound as error:
        raise amqp.ConsumerCancelled(str(error)) from error
