"""One thread's connection to PostgreSQL, and the wake-ups that travel over it.

Every statement of the project is a function that takes a cursor (`taskyard.statements`). A `Session` runs it: by
itself, in one round trip, as a transaction of its own; or several inside `transaction()`. Sessions are not shared
between threads, so no pool stands between a thread and its connection.
"""

import errno
import re
import select
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, Final, TypeVar

import orjson
import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras

from taskyard.errors import UnavailableError

Connection = psycopg2.extensions.connection
Cursor = psycopg2.extensions.cursor
T = TypeVar("T")

WORK_CHANNEL: Final = "taskyard_work"
"""NOTIFY on it says: there may be new work. Sent outside the transaction that brought it."""

_KEEPALIVE: Final = {
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# Of a client that stands still the kernel goes on to answer for it: only this ends its transaction, and its locks.
_STANDSTILL_S: Final = 10.0
_GONE: Final = (
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
    psycopg2.errors.IdleInTransactionSessionTimeout,
)


class Session:
    """A connection that is opened at first use, and anew after it broke.

    `statement_timeout_s` bounds each statement. With `sticky` a connection that the server ended is an error once,
    rather than silently replaced: for those who hold locks or listen on it. `outside` is entered while it waits for
    PostgreSQL: for those who must tell such waiting from a standstill of their own.
    """

    def __init__(
        self,
        url: str,
        application: str,
        *,
        statement_timeout_s: float = 30.0,
        options: str = "",
        sticky: bool = False,
        outside: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._dsn = dsn(url, application, statement_timeout_s, options)
        self._sticky = sticky
        self._outside = outside
        self._connection: Connection | None = None

    def run(self, statement: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run one statement as its own transaction and return what it returns.

        Raises:
            UnavailableError: the database is away, or went away meanwhile; then whether it took effect is unknown.
        """
        with self._cursor() as cursor:
            return statement(cursor, *args, **kwargs)

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Give a cursor whose statements take effect together at the end of the block, or not at all.

        Raises:
            UnavailableError: as `run` does.
        """
        with self._cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                yield cursor
            except BaseException:
                with suppress(*_GONE):
                    cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    def listen(self, channel: str) -> None:
        """Have `wait` return early when somebody notifies `channel`; to be said again after `UnavailableError`."""
        with self._cursor() as cursor:
            cursor.execute(f"LISTEN {channel}")

    def wait(self, timeout_s: float) -> bool:
        """Wait for a notification for up to `timeout_s`; return whether one came.

        Raises:
            UnavailableError: the connection broke meanwhile.
        """
        with self._outside():
            connection = self._open()
        try:
            connection.poll()
            if not connection.notifies and _is_readable(connection, timeout_s):
                connection.poll()
        except _GONE as error:
            self.close()
            raise UnavailableError(_reason(error)) from error
        came = bool(connection.notifies)
        connection.notifies.clear()
        return came

    def close(self) -> None:
        """Close the connection, if there is one; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*_GONE):
                connection.close()

    @property
    def is_open(self) -> bool:
        """Whether a connection is open that the server has not ended yet, as far as the socket tells."""
        return self._connection is not None and not self._connection.closed and not is_ended(self._connection)

    @property
    def is_connected(self) -> bool:
        """Whether a connection is open, as far as it is known. To be asked from any thread."""
        return self._connection is not None

    @contextmanager
    def _cursor(self) -> Iterator[Cursor]:
        with self._outside():
            connection = self._open()
            with absences(self.close), connection.cursor() as cursor:
                yield cursor

    def _open(self) -> Connection:
        if self._connection is not None and (self._connection.closed or is_ended(self._connection)):
            self.close()
            if self._sticky:
                raise UnavailableError("PostgreSQL ended the connection")
        if self._connection is None:
            with absences(self.close):
                connection = psycopg2.connect(**self._dsn)
            connection.autocommit = True
            psycopg2.extras.register_default_jsonb(connection, loads=orjson.loads)
            self._connection = connection
        return self._connection


def dsn(url: str, application: str, statement_timeout_s: float, options: str = "") -> dict[str, Any]:
    """Return how psycopg2 is to connect to `url`: what all connections have in common, and what this one asks for."""
    return {
        "application_name": application,
        "options": f"-c statement_timeout={_ms(statement_timeout_s)}"
        f" -c idle_in_transaction_session_timeout={_ms(_STANDSTILL_S)} -c jit=off -c timezone=UTC {options}",
        **_KEEPALIVE,
        **read_url(url),
    }


def read_url(url: str) -> dict[str, str]:
    """Return what the URL of a PostgreSQL says, by libpq's names; it may name a driver, as SQLAlchemy has it.

    Raises:
        psycopg2.ProgrammingError: it is none; the message may show parts of it.
    """
    found: dict[str, str] = psycopg2.extensions.parse_dsn(url.replace("postgresql+psycopg2://", "postgresql://", 1))
    if not re.fullmatch(r"[0-9,]*", found.get("port", "")):  # a password with a slash looks like one
        raise psycopg2.ProgrammingError("its port is no number")
    return found


@contextmanager
def absences(close: Callable[[], None]) -> Iterator[None]:
    """Have the block's errors say that PostgreSQL is away, where it is; `close` is called where the connection broke.

    Raises:
        UnavailableError: the database is away, or its tables are.
    """
    try:
        yield
    except psycopg2.errors.UndefinedTable as error:
        raise UnavailableError("the database has no tables of Taskyard: run `taskyard migrate`") from error
    except _GONE as error:
        if not _is_about_statement(error):
            close()
        raise UnavailableError(_reason(error)) from error


def is_ended(connection: Connection) -> bool:
    """Whether the server ended a connection that is idle, as far as the socket tells.

    One with something to read has either a notification, or the server's farewell.
    """
    try:
        for _ in range(3):  # what was said is soon read; an end stays readable
            if not _is_readable(connection, 0):
                return False
            connection.poll()
    except _GONE:
        pass
    return True


def wake(cursor: Cursor) -> None:
    """Tell the dispatchers that there may be new work.

    To be run by itself: a NOTIFY inside a transaction that writes makes commits wait for one another.
    """
    cursor.execute("SELECT set_config('synchronous_commit', 'off', true), pg_notify(%s, '')", (WORK_CHANNEL,))


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _is_readable(connection: Connection, within_s: float) -> bool:
    """Whether the server sends something, or ends the connection, within so many seconds.

    Raises:
        OSError: somebody in this process closed the file behind our back; nothing in it can be relied on any more.
    """
    poll = select.poll()  # `select.select` fails where a process has more than 1,024 files, an API of many clients
    poll.register(connection, select.POLLIN)
    seen = poll.poll(1000 * within_s)
    if any(events & select.POLLNVAL for _, events in seen):
        raise OSError(errno.EBADF, "the file of the connection to PostgreSQL was closed")
    return bool(seen)


def _is_about_statement(error: psycopg2.Error) -> bool:
    """Whether only the statement failed (too slow, disk full, deadlock …) and its connection is still good."""
    return error.pgcode is not None and not error.pgcode.startswith(("08", "57P", "25P03"))


def _reason(error: Exception) -> str:
    return "PostgreSQL is away: " + (str(error).strip().splitlines() or ["the connection broke"])[0]
