"""Long polls: any number of requests that wait for tasks to end, and one query that looks for all of them."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from typing import Final

import structlog

from taskyard.errors import TaskyardError
from taskyard.statements import reading
from taskyard_api.metrics import RequestMetrics
from taskyard_api.readers import Readers

_SHORTEST_S: Final = 0.05
_PER_TASK_S: Final = 0.0005
_AFTER_FAULT_S: Final = 1.0

log = structlog.get_logger(__name__)


class Watcher:
    """Looks up all awaited tasks together: often while they are few, less often the more they are."""

    def __init__(self, readers: Readers, metrics: RequestMetrics) -> None:
        self._readers = readers
        self._metrics = metrics
        self._waiting: dict[int, set[asyncio.Future[None]]] = defaultdict(set)
        self._some = asyncio.Event()
        self._stopping = False
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start looking; to be called in the event loop."""
        self._looking = asyncio.create_task(self._look())

    async def wait(self, task_id: int, timeout_s: float) -> None:
        """Return when the task has ended or is gone, after `timeout_s`, or when the process is told to stop."""
        if self._stopping:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[task_id].add(future)
        self._some.set()
        try:
            with self._metrics.long_polls.track_inprogress(), suppress(TimeoutError):
                await asyncio.wait_for(future, timeout_s)
        finally:
            waiting = self._waiting.get(task_id)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[task_id]

    def release(self) -> None:
        """Let everybody go, and whoever comes later: the process is about to stop. To be called in the event loop."""
        self._stopping = True
        self._settle(list(self._waiting))

    async def stop(self) -> None:
        """End looking."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def _look(self) -> None:
        while True:
            if not self._waiting:
                self._some.clear()
                await self._some.wait()
            task_ids = list(self._waiting)
            await asyncio.sleep(max(_SHORTEST_S, _PER_TASK_S * len(task_ids)))
            try:
                self._settle(await self._readers.run(reading.finished_among, task_ids))
            except TaskyardError as error:
                log.debug("long polls wait for the database", error=str(error))
            except Exception:  # whatever it is: without the looks nobody who waits would be told anything any more
                log.exception("long polls could not be looked at")
                await asyncio.sleep(_AFTER_FAULT_S)

    def _settle(self, task_ids: list[int]) -> None:
        for task_id in task_ids:
            for future in self._waiting.get(task_id, ()):
                if not future.done():
                    future.set_result(None)
