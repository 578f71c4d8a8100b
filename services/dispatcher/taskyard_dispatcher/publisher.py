"""RabbitMQ as the dispatcher writes to it: one channel, confirms in a pipeline, nothing believed unconfirmed.

Celery itself builds each message; py-amqp publishes it. A channel on which something went wrong is thrown away with
its connection, without the handshakes of a close, since a hung broker would never answer them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import amqp
from celery import Celery
from kombu import Connection
from kombu.serialization import dumps

from taskyard.broker import arguments, buffer, buffer_name, dead_letters, message_id
from taskyard.errors import TaskyardError
from taskyard.statements.claims import Held
from taskyard.statements.dispatching import Bundle

BROKEN = (OSError, amqp.AMQPError)
"""What py-amqp raises when the broker is away, refuses, or hangs."""


class BufferUnavailableError(TaskyardError):
    """RabbitMQ is away, refuses or hangs; nothing is lost, the tasks stay ready."""

    code = "buffer_unavailable"


class Channel:
    """A channel to RabbitMQ that is opened at first use and anew after it broke. For one thread.

    `outside` is entered while it is used.
    """

    def __init__(
        self, app: Celery, timeout_s: float, outside: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self._app = app
        self._outside = outside
        self._timeout_s = timeout_s
        self._connection: Connection | None = None
        self._channel: Any = None

    @property
    def is_connected(self) -> bool:
        """Whether a channel is open, as far as it is known. To be asked from any thread."""
        return self._channel is not None

    @contextmanager
    def using(self) -> Iterator[Any]:
        """Give the py-amqp channel for the length of the block; one that breaks meanwhile is dropped.

        Raises:
            BufferUnavailableError: RabbitMQ does not let us in, or went away.
        """
        with self._outside():
            try:
                yield self.open()
            except BROKEN as error:
                self.drop()
                raise BufferUnavailableError(f"RabbitMQ is away: {error}") from error

    def probe(self) -> None:
        """Have RabbitMQ answer, by something that changes nothing.

        Raises:
            BufferUnavailableError: as `using` does.
        """
        with self.using() as channel:
            channel.basic_qos(0, 1, False)

    def open(self) -> Any:
        """Return the py-amqp channel.

        Raises:
            BufferUnavailableError: RabbitMQ does not let us in.
        """
        if self._channel is None:
            self._connection = self._app.connection_for_write(
                connect_timeout=3,
                heartbeat=0,
                transport_options={"read_timeout": self._timeout_s, "write_timeout": self._timeout_s},
            )
            try:
                self._connection.connect()
                self._channel = self._connection.channel()
            except BROKEN as error:
                self.drop()
                raise BufferUnavailableError(f"RabbitMQ is away: {error}") from error
        return self._channel

    def drain(self, timeout_s: float) -> None:
        """Handle what the broker sends for up to `timeout_s`; raises `TimeoutError` when nothing comes."""
        if self._connection is None:
            raise BufferUnavailableError("the connection to RabbitMQ is closed")
        self._connection.drain_events(timeout=timeout_s)

    def drop(self) -> None:
        """Throw the connection away without the handshakes of a close."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with suppress(*BROKEN, AttributeError):
                connection.collect(socket_timeout=0.1)


class Publisher:
    """Publishes bundles of tasks to their queues and says which ones RabbitMQ took."""

    def __init__(
        self, app: Celery, confirm_timeout_s: float, outside: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self._app = app
        self._channel = Channel(app, confirm_timeout_s, outside)
        self._confirm_timeout_s = confirm_timeout_s
        self._declared: set[str] = set()
        self._confirming: Any = None
        self._next_tag = 1
        self._pending: dict[int, Bundle] = {}
        self._returned: set[str] = set()

    def publish(self, queue: str, bundles: Sequence[Bundle]) -> list[Bundle]:
        """Publish one message for each of `bundles`; return those that RabbitMQ confirmed and routed to `queue`.

        What is not returned may have arrived all the same; its message then claims nothing, or does the claim's work.

        Raises:
            BufferUnavailableError: nothing was confirmed, since RabbitMQ is away.
        """
        try:
            with self._channel.using():
                self._send(queue, bundles)
                self._settle()
        except BufferUnavailableError:
            self.drop()
            raise
        missing = self._returned | {_id(bundle) for bundle in self._pending.values()}
        if self._pending:
            self.drop()
        if self._returned:  # the queue is not there any more: declare it again before the next batch
            self._declared.clear()
        return [bundle for bundle in bundles if _id(bundle) not in missing] if missing else list(bundles)

    def drop(self) -> None:
        """Forget the connection; the next batch opens another."""
        self._channel.drop()
        self._confirming = None
        self._declared.clear()
        self._pending.clear()
        self._next_tag = 1

    def _send(self, queue: str, bundles: Sequence[Bundle]) -> None:
        channel = self._open(queue)
        self._returned.clear()
        for bundle in bundles:
            self._pending[self._next_tag] = bundle
            self._next_tag += 1
            channel.basic_publish(self._message(bundle), exchange="", routing_key=buffer_name(queue), mandatory=True)

    def _open(self, queue: str) -> Any:
        channel = self._channel.open()
        if channel is not self._confirming:
            self._confirming = channel
            channel.confirm_select()
            channel.events["basic_ack"].add(self._on_ack)
            channel.events["basic_nack"].add(self._on_nack)
            channel.events["basic_return"].add(self._on_return)
        if queue not in self._declared:
            dead_letters()(channel).declare()
            buffer(queue)(channel).declare()
            self._declared.add(queue)
        return channel

    def _message(self, bundle: Bundle) -> amqp.Message:
        attempts, task = _held(bundle), bundle[0]
        name = message_id(attempts)
        built = self._app.amqp.as_task_v2(
            name, task.kind, args=arguments(attempts), argsrepr=name, kwargsrepr="", create_sent_event=False
        )
        content_type, encoding, body = dumps(built.body, "json")
        return amqp.Message(
            body,
            content_type=content_type,
            content_encoding=encoding,
            delivery_mode=2,
            priority=task.priority,
            application_headers=built.headers,
            correlation_id=name,
        )

    def _settle(self) -> None:
        deadline = time.monotonic() + self._confirm_timeout_s
        while self._pending and (left_s := deadline - time.monotonic()) > 0:
            try:
                self._channel.drain(left_s)
            except TimeoutError:
                return

    def _on_ack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001 - py-amqp's signature
        self._confirmed(tag, multiple=multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001 - py-amqp's signature
        """Count a refused message as one that came back."""
        tags = [known for known in self._pending if known == tag or (multiple and known <= tag)]
        self._returned.update(_id(self._pending.pop(known)) for known in tags)

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, message: amqp.Message) -> None:
        self._returned.add(str(message.properties.get("correlation_id")))

    def _confirmed(self, tag: int, *, multiple: bool) -> None:
        if not multiple:
            self._pending.pop(tag, None)
            return
        for known in [known for known in self._pending if known <= tag]:
            del self._pending[known]


def _id(bundle: Bundle) -> str:
    return message_id(_held(bundle))


def _held(bundle: Bundle) -> list[Held]:
    return [Held(task.task_id, task.attempt) for task in bundle]
