"""Changes of tables that make nobody wait: what does not get its lock at once lets go of all, and tries again later.

A statement that waits for the lock of a table has all others queue up behind it, readers too: one transaction that
somebody forgot to end would stand between everybody and the table for as long as the change waits.
"""

from collections.abc import Callable
from typing import Final

import psycopg2.errors
import sqlalchemy
from sqlalchemy import text
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from taskyard.errors import TaskyardError

LOCK_TIMEOUT_S: Final = 0.5
"""How long a statement may wait for a lock, and others for it."""

PATIENCE_S: Final = 300.0
"""How long a change is tried again."""

_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 10.0
_OLDEST: Final = """
    SELECT format('%s, process %s, open for %s s', coalesce(nullif(application_name, ''), usename, 'somebody'), pid,
                  round(extract(epoch FROM clock_timestamp() - xact_start)))
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
     ORDER BY xact_start LIMIT 1
"""


class LockedError(TaskyardError):
    """Others held the tables for too long; nothing was changed by what gave up."""

    code = "locked"


def patiently(
    connection: sqlalchemy.Connection,
    change: Callable[[], None],
    say: Callable[[str], None],
    patience_s: float = PATIENCE_S,
) -> None:
    """Do `change` on `connection`, tried again for up to `patience_s` while others hold what it needs to lock.

    It must take effect as a whole, or go on at the second try from where it was; a transaction that it leaves open is
    rolled back before that. `say` is told who holds it up.

    Raises:
        LockedError: they held it for too long.
    """

    def let_go(state: RetryCallState) -> None:
        connection.rollback()
        pause_s = state.next_action.sleep if state.next_action else 0.0
        say(f"the tables are in use, tries again in {pause_s:.0f} s; {_who(connection)}")

    _set_timeout(connection, LOCK_TIMEOUT_S)
    try:
        Retrying(
            retry=retry_if_exception(_is_held_up),
            stop=stop_after_delay(patience_s),
            wait=wait_exponential_jitter(_PAUSE_S, _LONGEST_PAUSE_S),
            before_sleep=let_go,
            reraise=True,
        )(change)
    except (sqlalchemy.exc.DBAPIError, psycopg2.Error) as error:
        if not _is_held_up(error):
            raise
        connection.rollback()
        raise LockedError(f"the tables were in use for {patience_s:.0f} s; {_who(connection)}") from error
    finally:
        connection.rollback()
        _set_timeout(connection, 0)


def _set_timeout(connection: sqlalchemy.Connection, timeout_s: float) -> None:
    connection.execute(text(f"SET lock_timeout = {int(timeout_s * 1000)}"))
    connection.commit()


def _is_held_up(error: BaseException) -> bool:
    cause = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    return isinstance(cause, psycopg2.errors.LockNotAvailable | psycopg2.errors.DeadlockDetected)


def _who(connection: sqlalchemy.Connection) -> str:
    oldest = connection.execute(text(_OLDEST)).scalar()
    connection.rollback()
    return f"the oldest transaction: {oldest}" if oldest else "no other transaction is open now"
