"""Putting right what crashes left behind: expired leases, messages that RabbitMQ lost, and its dead letters."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import amqp
import structlog

from taskyard.broker import DEAD_LETTER_QUEUE, buffer, buffer_name, dead_letters
from taskyard.database import Session
from taskyard.documents import storable
from taskyard.messages import ForeignMessageError, read
from taskyard.outcomes import decide
from taskyard.retry import RetryPolicy
from taskyard.statements import finishing, queues, recovery
from taskyard.statements.finishing import Ending
from taskyard.statements.recovery import Expired
from taskyard.states import Reason
from taskyard_dispatcher.metrics import DispatcherMetrics
from taskyard_dispatcher.publisher import Channel

_LEASE_BATCH: Final = 100
_DEAD_LETTER_BATCH: Final = 100
_SHOWN_CHARS: Final = 200

log = structlog.get_logger(__name__)


class Leases:
    """Ends attempts whose lease ran out: their tasks are tried again, or given up after too many losses."""

    def __init__(
        self, session: Session, max_losses: int, roll: Callable[[], float], metrics: DispatcherMetrics
    ) -> None:
        self._session = session
        self._max_losses = max_losses
        self._roll = roll
        self._metrics = metrics

    def expire(self) -> bool:
        """End a batch; return whether there may be more."""
        return self.end() == _LEASE_BATCH

    def end(self, among: Sequence[int] | None = None) -> int:
        """End a batch, of the tasks `among`, or of all; return how many it ended."""
        with self._session.transaction() as cursor:
            found = recovery.expired(cursor, self._max_losses, _LEASE_BATCH, among)
            if found:
                finishing.finish(cursor, [self._ending(task) for task in found])
        for task in found:
            log.warning("lease expired", task_id=task.held.task_id, attempt=task.held.attempt, worker=task.worker)
            self._metrics.recovered.labels("lease_expired", task.queue).inc()
        return len(found)

    def _ending(self, task: Expired) -> Ending:
        outcome = finishing.lost(f"the lease of worker {task.worker} ran out")
        return Ending(task.held, outcome, decide(outcome, task.budget, RetryPolicy(), self._roll()))


class LostMessages:
    """Compares what the record says is in RabbitMQ with what is there, and has the difference published again.

    A queue that holds fewer messages than its tasks are marked to be in, twice in a row and for longer than
    `settle_s`, has lost some; which ones nobody can tell, so all of them are. One that is not there has lost all.
    """

    def __init__(self, session: Session, channel: Channel, settle_s: float, metrics: DispatcherMetrics) -> None:
        self._session = session
        self._channel = channel
        self._settle_s = settle_s
        self._metrics = metrics
        self._suspected: set[str] = set()
        self._consumers: dict[str, int] = {}

    def has_workers(self, queue: str) -> bool:
        """Whether anybody consumed `queue` when it was last looked at."""
        return self._consumers.get(queue, 0) > 0

    def find(self) -> bool:
        """Look at each queue once; there is never more to do at once."""
        for queue in self._session.run(queues.names):
            with self._channel.using():
                self._look_at(queue)
        return False

    def _look_at(self, queue: str) -> None:
        waiting = self._waiting(queue)
        if waiting is None:
            self._take_back(queue, 0.0)
            return
        self._metrics.buffer.shown.messages.labels(queue).set(waiting)
        if self._session.run(recovery.settled, queue, self._settle_s) <= waiting:
            self._suspected.discard(queue)
        elif queue in self._suspected:
            self._suspected.discard(queue)
            self._take_back(queue, self._settle_s)
        else:
            self._suspected.add(queue)

    def _take_back(self, queue: str, settle_s: float) -> None:
        if count := self._session.run(recovery.take_back, queue, settle_s):
            self._metrics.recovered.labels("message_lost", queue).inc(count)
            log.warning("RabbitMQ lost messages; they are published again", queue=queue, count=count)

    def _waiting(self, queue: str) -> int | None:
        """Return how many messages wait in RabbitMQ; None where the queue was not there. Then it is again."""
        channel = self._channel.open()
        try:
            there = channel.queue_declare(buffer_name(queue), passive=True)
        except amqp.NotFound:
            self._consumers[queue] = 0
            self._channel.drop()  # the broker closed the channel
            channel = self._channel.open()
            dead_letters()(channel).declare()
            buffer(queue)(channel).declare()
            return None
        self._consumers[queue] = there.consumer_count
        return int(there.message_count)


class DeadLetters:
    """Empties the dead-letter queue: each task in it that still waits for its message ends as failed, and says why."""

    def __init__(self, session: Session, channel: Channel, metrics: DispatcherMetrics) -> None:
        self._session = session
        self._channel = channel
        self._metrics = metrics

    def bury(self) -> bool:
        """Take a batch of dead letters; return whether there may be more."""
        with self._channel.using() as channel:
            dead_letters()(channel).declare()
            for _ in range(_DEAD_LETTER_BATCH):
                message = channel.basic_get(DEAD_LETTER_QUEUE)
                if message is None:
                    return False
                self._bury(message)
                channel.basic_ack(message.delivery_tag)
        return True

    def _bury(self, message: amqp.Message) -> None:
        headers: dict[str, Any] = message.headers or {}
        known = message.properties
        try:
            attempts = read(headers, known.get("content_type"), known.get("content_encoding"), message.body)
        except ForeignMessageError as error:
            log.warning("dead letter that is no message of ours", error=str(error), headers=str(headers)[:500])
            self._metrics.dead_letters.labels("foreign").inc()
            return
        reason, text = cause_of_death(headers)
        failed = 0
        for held in attempts:
            if queue := self._session.run(recovery.fail_undelivered, held, reason, text):
                failed += 1
                log.error("task failed: its message was dead-lettered", task_id=held.task_id, error=text)
                self._metrics.recovered.labels("dead_lettered", queue).inc()
        self._metrics.dead_letters.labels("task_failed" if failed else "out_of_date").inc()


def cause_of_death(headers: dict[str, Any]) -> tuple[Reason, str]:
    """Return why a message was dead-lettered, for the task's `reason` and for people."""
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    died, queue = (str(last.get(name, "unknown"))[:_SHOWN_CHARS] for name in ("reason", "queue"))
    kind = str(headers.get("task", "unknown"))[:_SHOWN_CHARS]
    if died == "rejected":
        text = f"a worker of {queue} does not know the kind {kind!r}: is its code up to date?"
        return Reason.UNKNOWN_KIND, storable(text)
    text = f"RabbitMQ gave up delivering it from {queue} ({died}): its workers died before they began"
    return Reason.UNDELIVERABLE, storable(text)
