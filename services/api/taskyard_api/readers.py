"""A few threads with a connection each, for everything but submissions."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from taskyard.database import Cursor, Session
from taskyard.errors import OverloadedError
from taskyard_api.metrics import ReaderMetrics

P = ParamSpec("P")
T = TypeVar("T")


class Readers:
    """Runs statements in threads and has async callers wait for them; bounded in threads and in callers."""

    def __init__(
        self, make_session: Callable[[], Session], metrics: ReaderMetrics, *, threads: int, backlog: int
    ) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="reader")
        self._local = threading.local()
        self._make_session = make_session
        self._metrics = metrics
        self._room = threads + backlog
        metrics.size.set(threads)

    async def run(self, statement: Callable[Concatenate[Cursor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one statement as its own transaction.

        Raises:
            OverloadedError: too many wait already.
            UnavailableError: the database is away.
        """
        with self.waiting():
            return await self.run_for_waiting(time.monotonic(), statement, *args, **kwargs)

    async def run_for_waiting(
        self, asked_at: float, statement: Callable[Concatenate[Cursor, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run one statement for requests that are `waiting`, the first of them since `asked_at` (`time.monotonic()`).

        Raises:
            UnavailableError: the database is away.
        """
        return await self._in_thread(lambda: self._session().run(statement, *args, **kwargs), asked_at)

    async def transact(self, change: Callable[Concatenate[Cursor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `change`, which may use several statements, as one transaction. Raises as `run` does."""

        def in_transaction() -> T:
            with self._session().transaction() as cursor:
                return change(cursor, *args, **kwargs)

        with self.waiting():
            return await self._in_thread(in_transaction, time.monotonic())

    async def compute(self, work: Callable[[], T]) -> T:
        """Run what would hold up the event loop too long."""
        with self.waiting():
            return await self._in_thread(work, time.monotonic())

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a request that waits, as long as the block runs.

        Raises:
            OverloadedError: too many wait already.
        """
        if self._room <= 0:
            self._metrics.rejections.inc()
            raise OverloadedError("too many requests wait for the database; send this one again a little later")
        self._room -= 1
        try:
            yield
        finally:
            self._room += 1

    def stop(self) -> None:
        """End the threads after what they do."""
        self._threads.shutdown()

    async def _in_thread(self, work: Callable[[], T], asked_at: float) -> T:
        def measured() -> T:
            self._metrics.wait.observe(time.monotonic() - asked_at)
            with self._metrics.busy.track_inprogress():
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._threads, measured)

    def _session(self) -> Session:
        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = self._make_session()
        return session
