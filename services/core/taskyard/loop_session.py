"""A connection to PostgreSQL that an event loop waits for.

For what is asked so often that to hand it to a thread and back costs more than the statement: threads of one process
also wait for one another's turn at the interpreter, where a loop goes on as soon as the server has answered.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import psycopg2
import psycopg2.extensions

from taskyard.asking import Ask, Asking, Rows
from taskyard.database import Connection, absences, dsn, is_ended
from taskyard.errors import UnavailableError

T = TypeVar("T")

_CONNECT_S: Final = 3.0


class LoopSession:
    """A connection that is opened at first use, and anew after it broke. One asking at a time.

    `statement_timeout_s` bounds each statement.
    """

    def __init__(self, url: str, application: str, *, statement_timeout_s: float) -> None:
        self._dsn = dsn(url, application, statement_timeout_s)
        self._connection: Connection | None = None

    async def run(self, asking: Asking[T]) -> T:
        """Carry `asking` out, each of its statements as its own transaction; return what it returns.

        Raises:
            UnavailableError: the database is away, or went away meanwhile; then whether it took effect is unknown.
        """
        with absences(self.close):
            connection = await self._open()
            try:
                return await _carry(connection, asking)
            except asyncio.CancelledError:  # an answer may be under way that nobody waits for
                self.close()
                raise

    def close(self) -> None:
        """Close the connection, if there is one; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg2.Error):
                connection.close()

    async def _open(self) -> Connection:
        if self._connection is not None and (self._connection.closed or is_ended(self._connection)):
            self.close()
        if self._connection is None:
            # In a thread: it looks the server's name up. It does not bound the time that it then takes, as others do.
            connection = await asyncio.to_thread(psycopg2.connect, async_=True, **self._dsn)
            try:
                await asyncio.wait_for(_until_done(connection), _CONNECT_S)
            except BaseException as error:
                connection.close()
                if isinstance(error, TimeoutError):
                    raise UnavailableError(f"PostgreSQL is away: no connection within {_CONNECT_S:g} s") from error
                raise
            self._connection = connection
        return self._connection


async def _carry(connection: Connection, asking: Asking[T]) -> T:
    """Do what `taskyard.asking.carry` does, and wait in the event loop."""
    try:
        ask = next(asking)
        while True:
            try:
                rows = await _rows(connection, ask)
            except psycopg2.Error as error:
                ask = asking.throw(error)
            else:
                ask = asking.send(rows)
    except StopIteration as over:
        result: T = over.value
        return result


async def _rows(connection: Connection, ask: Ask) -> Rows:
    with connection.cursor() as cursor:
        for text, values in ask.trips(connection):
            cursor.execute(text, values)
            await _until_done(connection)
        return cursor.fetchall()


async def _until_done(connection: Connection) -> None:
    """Return when what `connection` does is done."""
    loop = asyncio.get_running_loop()
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        is_reading = state == psycopg2.extensions.POLL_READ
        watch: Callable[..., None] = loop.add_reader if is_reading else loop.add_writer
        forget: Callable[[int], bool] = loop.remove_reader if is_reading else loop.remove_writer
        file, ready = connection.fileno(), loop.create_future()
        watch(file, _settle, ready)
        try:
            await ready
        finally:
            forget(file)


def _settle(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
