"""Looking tasks up by their ids: whoever asks while one look is under way is answered by the next, all together.

    GET ─┐
    GET ─┼─▶ wanted ─▶ one look at a time, in one round trip ─▶ each has its task
    GET ─┘

Nobody waits for others to come: a look takes what has gathered while the one before ran. It begins after all that it
answers was asked, so that who asks after a commit sees what that brought.
"""

import asyncio
import time
from typing import Final, NamedTuple

from taskyard.statements import reading
from taskyard.statements.reading import Document
from taskyard_api.readers import Readers

_AT_ONCE: Final = 100
"""Tasks of one look at most: each may hold megabytes."""


class _Wanted(NamedTuple):
    task_id: int
    asked_at: float
    future: "asyncio.Future[Document | None]"


class Lookups:
    """Finds tasks by their ids. To be used in the event loop."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._wanted: list[_Wanted] = []
        self._looking: asyncio.Task[None] | None = None

    async def task(self, task_id: int) -> Document | None:
        """Return the task, or None where there is none. Others may get the same document: it is not to be changed.

        Raises:
            OverloadedError: too many wait already.
            UnavailableError: the database is away.
        """
        with self._readers.waiting():
            future: asyncio.Future[Document | None] = asyncio.get_running_loop().create_future()
            self._wanted.append(_Wanted(task_id, time.monotonic(), future))
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            return await future

    async def _look(self) -> None:
        while self._wanted:
            now, self._wanted = self._wanted[:_AT_ONCE], self._wanted[_AT_ONCE:]
            task_ids = [wanted.task_id for wanted in now]
            try:
                found = await self._readers.run_for_waiting(now[0].asked_at, reading.documents, task_ids)
            except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
                _settle(now, error)
            else:
                _settle(now, found)


def _settle(all_wanted: list[_Wanted], outcome: dict[int, Document] | Exception) -> None:
    for wanted in all_wanted:
        if wanted.future.done():  # the client went away meanwhile
            continue
        if isinstance(outcome, Exception):
            wanted.future.set_exception(outcome)
        else:
            wanted.future.set_result(outcome.get(wanted.task_id))
