"""Group commit: what many requests hand in at once becomes one transaction.

    requests ──hand in──▶ a bounded line ──▶ writer: one statement ──▶ every request has its answer

Nobody waits for a batch to fill: the writer takes what has gathered while it committed the last one. The line is
bounded in tasks and bytes; who does not fit is told so at once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import psycopg2
import structlog

from taskyard.errors import Fault, InvalidError, OverloadedError, TaskyardError, UnavailableError
from taskyard.loop_session import LoopSession
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
    future: "asyncio.Future[Records]"
    deed: Deed | None


class Writer:
    """Records new tasks, one commit at a time. To be used in the event loop.

    `on_queued` is called after a commit that queued any.
    """

    def __init__(
        self,
        session: LoopSession,
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
        self._writing: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Record what was handed in, then take no more."""
        self._stopping = True
        if self._writing is not None:
            await self._writing
        self._session.close()

    async def record(self, tasks: Sequence[NewTask], size_bytes: int, deed: Deed | None = None) -> Records:
        """Record `tasks` together, durably, and `deed` with their ids; return what became of each.

        Raises:
            OverloadedError: too much waits already; nothing was recorded.
            UnavailableError: the database is away, or went away during the commit.
            InvalidError: PostgreSQL refuses a value that was thought to be good.
        """
        full = self._tasks + len(tasks) > self._max_tasks or self._bytes + size_bytes > self._max_bytes
        if (full and self._line) or self._stopping:
            raise OverloadedError("too many tasks wait to be recorded; send this one again a little later")
        future: asyncio.Future[Records] = asyncio.get_running_loop().create_future()
        self._line.append(_Submission(tasks, size_bytes, future, deed))
        self._tasks += len(tasks)
        self._bytes += size_bytes
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await future

    async def _write(self) -> None:
        """Record what is in the line, and what comes meanwhile."""
        while self._line:
            batch = self._take()
            started = time.monotonic()
            try:
                answers: list[Records | TaskyardError] = [*await self._commit(batch)]
            except UnavailableError as error:
                answers = [error] * len(batch)
            except (psycopg2.DataError, psycopg2.IntegrityError, psycopg2.InternalError):
                answers = [await self._commit_alone(submission) for submission in batch]
            except Exception as error:
                log.exception("a batch could not be recorded")
                answers = [UnavailableError(f"the tasks could not be recorded: {type(error).__name__}")] * len(batch)
            self._answer(batch, answers)
            self._metrics.commit_tasks.observe(sum(len(submission.tasks) for submission in batch))
            self._metrics.commit_duration.observe(time.monotonic() - started)

    def _take(self) -> list[_Submission]:
        """Take what fits into one commit, one submission at least."""
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

    async def _commit(self, batch: Sequence[_Submission]) -> list[Records]:
        tasks = [task for submission in batch for task in submission.tasks]
        return _divided(batch, await self._session.run(submission.insertion(tasks, _deeds(batch))))

    async def _commit_alone(self, one: _Submission) -> Records | TaskyardError:
        """Record one submission of a batch that PostgreSQL refused, so that the others do not suffer for it."""
        try:
            return (await self._commit([one]))[0]
        except UnavailableError as error:
            return error
        except psycopg2.Error as error:
            [reason, *_] = str(error).splitlines()  # what follows shows the row: payloads, secrets
            log.warning("PostgreSQL refused a submission", error=reason)
            return InvalidError(Fault("body", f"PostgreSQL refuses it: {reason}"))

    def _answer(self, batch: Sequence[_Submission], answers: Sequence[Records | TaskyardError]) -> None:
        _settle([submission.future for submission in batch], answers)
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
