r"""RabbitMQ as the parts share it: the names of its queues, and the Celery app with the settings that hold everywhere.

A queue `default` of the record is the queue `tasks.default` of RabbitMQ. Everything but the queue's type comes from
a policy on `^tasks\.` (delivery limit, dead-letter exchange, overflow), since arguments cannot be changed later.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from celery import Celery
from kombu import Exchange, Queue

from taskyard.frames import lenient_frame_handler
from taskyard.statements.claims import Held

QUEUE_PREFIX: Final = "tasks."
DEAD_LETTER_EXCHANGE: Final = "tasks.dlx"
DEAD_LETTER_QUEUE: Final = "dlq.tasks"
_QUORUM: Final = {"x-queue-type": "quorum"}
_BIGINT: Final = range(1, 2**63)
_INTEGER: Final = range(1, 2**31)


def buffer_name(queue: str) -> str:
    """Return what RabbitMQ calls the queue."""
    return QUEUE_PREFIX + queue


def queue_name(buffer: str) -> str:
    """Return what the record calls the queue that RabbitMQ calls `buffer`."""
    return buffer.removeprefix(QUEUE_PREFIX)


def buffer(queue: str, *, declared: bool = True) -> Queue:
    """Return the queue as kombu declares it: on the default exchange, quorum, nothing else.

    Where not `declared`, it is one that somebody else declares.
    """
    name = buffer_name(queue)
    return Queue(name, Exchange(""), routing_key=name, queue_arguments=_QUORUM, no_declare=not declared)


def dead_letters() -> Queue:
    """Return the queue that takes what no worker would have, bound to its exchange."""
    exchange = Exchange(DEAD_LETTER_EXCHANGE, type="fanout", durable=True)
    return Queue(DEAD_LETTER_QUEUE, exchange, routing_key="", queue_arguments=_QUORUM)


def celery_app(url: str, queues: Iterable[str], settings: Mapping[str, Any] | None = None) -> Celery:
    """Build the Celery app that consumes `queues`; `settings` are added to, or replace, those of all parts."""
    buffers = [buffer(queue, declared=False) for queue in queues]
    app = Celery("taskyard", broker=url, set_as_current=False)
    app.conf.update(
        # Queues: only those named, and nothing of Celery's own that PostgreSQL does better.
        task_queues=buffers,
        task_default_queue=buffers[0].name if buffers else buffer_name("default"),
        task_default_exchange="",
        task_default_exchange_type="direct",
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
        task_store_errors_even_if_ignored=False,
        task_publish_retry=False,
        enable_utc=True,
        # Connection: come back by itself from everything.
        broker_heartbeat=20,
        broker_transport_options={"frame_handler": lenient_frame_handler},
        broker_connection_timeout=3,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,  # else a consumer timeout or a locked queue ends the worker
        # Remote control (Flower): a durable queue that a half-open old connection cannot lock.
        control_queue_exclusive=False,
        control_queue_durable=True,
        event_queue_exclusive=True,
        event_queue_durable=False,
        worker_hijack_root_logger=False,
        **(settings or {}),
    )
    return app


def message_id(attempts: Sequence[Held]) -> str:
    """Return the Celery id of the message that carries `attempts`: `17.1`, or `17.1+4` with four others behind."""
    first, others = attempts[0], len(attempts) - 1
    return f"{first.task_id}.{first.attempt}" + (f"+{others}" if others else "")


def arguments(attempts: Iterable[Held]) -> list[list[list[int]]]:
    """Return the positional arguments of the message that carries `attempts`."""
    return [[[held.task_id, held.attempt] for held in attempts]]


def attempts_in(args: Any) -> list[Held]:
    """Read what `arguments` wrote.

    Raises:
        ValueError: that is no message of ours.
    """
    try:
        [pairs] = args
        attempts = [Held(task_id, attempt) for task_id, attempt in pairs]
    except (TypeError, ValueError) as error:
        raise ValueError(f"not a list of (task, attempt) pairs: {str(args)[:200]}") from error
    for held in attempts:
        if not (_counts(held.task_id, _BIGINT) and _counts(held.attempt, _INTEGER)):
            raise ValueError(f"no task or no attempt can have such a number: {str(args)[:200]}")
    return attempts


def _counts(number: Any, within: range) -> bool:
    return type(number) is int and number in within  # True is 1 to isinstance, and to PostgreSQL an error
