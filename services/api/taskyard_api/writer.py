"""Group commit: what many requests hand in at once becomes one transaction of one thread.

    requests ──hand in──▶ a bounded line ──▶ writer thread: one statement ──▶ every request has its answer

Nobody waits for a batch to fill: the writer takes what has gathered while it committed the last one. The line is
bounded in tasks and bytes; who does not fit is told so at once.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import psycopg2
import structlog

from taskyard.database import Session
from taskyard.errors import Fault, InvalidError, OverloadedError, TaskyardError, UnavailableError
from taskyard.statements import submission
from taskyard.statements.audit import Deed
from taskyard.statements.submission import KeyTaken, NewTask, Recorded
from taskyard_api.metrics import SubmissionMetrics

_COMMIT_TASKS: Final = 1000
_COMMIT_BYTES: Final = 8 * 1024 * 1024

Records = list[Recorded | KeyTaken]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Submission:
    tasks: Sequence[NewTask]
    size_bytes: int
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Records]"
    deed: Deed | None


class Writer:
    """The one thread that records new tasks. `on_queued` is called, in that thread, after a commit that queued any."""

    def __init__(
        self,
        session: Session,
        metrics: SubmissionMetrics,
        *,
        max_tasks: int,
        max_bytes: int,
        on_queued: Callable[[], None],
    ) -> None:
        self._session = session
        self._metrics = metrics
        self._max_tasks = max_tasks
        self._max_bytes = max_bytes
        self._on_queued = on_queued
        self._line: deque[_Submission] = deque()
        self._tasks = 0
        self._bytes = 0
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Record what was handed in, then end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()
        self._session.close()

    async def record(self, tasks: Sequence[NewTask], size_bytes: int, deed: Deed | None = None) -> Records:
        """Record `tasks` together, durably, and `deed` with their ids; return what became of each.

        Raises:
            OverloadedError: too much waits already; nothing was recorded.
            UnavailableError: the database is away, or went away during the commit.
            InvalidError: PostgreSQL refuses a value that was thought to be good.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Records] = loop.create_future()
        with self._changed:
            full = self._tasks + len(tasks) > self._max_tasks or self._bytes + size_bytes > self._max_bytes
            if (full and self._line) or self._stopping:
                raise OverloadedError("too many tasks wait to be recorded; send this one again a little later")
            self._line.append(_Submission(tasks, size_bytes, loop, future, deed))
            self._tasks += len(tasks)
            self._bytes += size_bytes
            self._changed.notify()
        return await future

    def _run(self) -> None:
        while batch := self._take():
            started = time.monotonic()
            try:
                answers: list[Records | TaskyardError] = [*self._commit(batch)]
            except UnavailableError as error:
                answers = [error] * len(batch)
            except (psycopg2.DataError, psycopg2.IntegrityError, psycopg2.InternalError):
                answers = [self._commit_alone(submission) for submission in batch]
            except Exception as error:
                log.exception("a batch could not be recorded")
                answers = [UnavailableError(f"the tasks could not be recorded: {type(error).__name__}")] * len(batch)
            self._answer(batch, answers)
            self._metrics.commit_tasks.observe(sum(len(submission.tasks) for submission in batch))
            self._metrics.commit_duration.observe(time.monotonic() - started)

    def _take(self) -> list[_Submission]:
        """Wait for submissions and take what fits into one commit; empty when the writer is to end."""
        with self._changed:
            while not self._line and not self._stopping:
                self._changed.wait()
            batch: list[_Submission] = []
            tasks = size_bytes = 0
            while self._line and (
                not batch
                or (
                    tasks + len(self._line[0].tasks) <= _COMMIT_TASKS
                    and size_bytes + self._line[0].size_bytes <= _COMMIT_BYTES
                )
            ):
                batch.append(self._line.popleft())
                tasks += len(batch[-1].tasks)
                size_bytes += batch[-1].size_bytes
            self._tasks -= tasks
            self._bytes -= size_bytes
            self._metrics.writer_backlog.set(self._tasks)
            return batch

    def _commit(self, batch: Sequence[_Submission]) -> list[Records]:
        tasks = [task for submission in batch for task in submission.tasks]
        return _divided(batch, self._session.run(submission.insert, tasks, _deeds(batch)))

    def _commit_alone(self, one: _Submission) -> Records | TaskyardError:
        """Record one submission of a batch that PostgreSQL refused, so that the others do not suffer for it."""
        try:
            return self._commit([one])[0]
        except UnavailableError as error:
            return error
        except psycopg2.Error as error:
            [reason, *_] = str(error).splitlines()  # what follows shows the row: payloads, secrets
            log.warning("PostgreSQL refused a submission", error=reason)
            return InvalidError(Fault("body", f"PostgreSQL refuses it: {reason}"))

    def _answer(self, batch: Sequence[_Submission], answers: Sequence[Records | TaskyardError]) -> None:
        loop = batch[0].loop
        loop.call_soon_threadsafe(_settle, [submission.future for submission in batch], answers)
        if any(
            isinstance(one, Recorded) and one.queued_at
            for answer in answers
            if isinstance(answer, list)
            for one in answer
        ):
            self._on_queued()


def _divided(batch: Sequence[_Submission], records: Records) -> list[Records]:
    """Return what became of the tasks of each submission."""
    rest = iter(records)
    return [[next(rest) for _ in submission.tasks] for submission in batch]


def _deeds(batch: Sequence[_Submission]) -> list[tuple[Deed, range]]:
    """Return what is to be audited, each with the places of its tasks among all of the batch."""
    ends = list(accumulate(len(one.tasks) for one in batch))
    return [
        (one.deed, range(end - len(one.tasks), end))
        for one, end in zip(batch, ends, strict=True)
        if one.deed is not None
    ]


def _settle(futures: "Sequence[asyncio.Future[Records]]", answers: Sequence[Records | TaskyardError]) -> None:
    for future, answer in zip(futures, answers, strict=True):
        if future.done():  # the client went away meanwhile; its tasks are recorded all the same
            continue
        if isinstance(answer, TaskyardError):
            future.set_exception(answer)
        else:
            future.set_result(answer)
