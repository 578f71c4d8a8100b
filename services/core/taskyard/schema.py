"""The version of the record's tables, and refusing to run against an older one."""

from collections.abc import Callable
from typing import Final

import psycopg2.errors
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from taskyard.database import Cursor, Session
from taskyard.errors import TaskyardError, UnavailableError

REVISION: Final = "0004"
"""The migration that this code was written for; it also runs on the tables of the next version."""


class SchemaError(TaskyardError):
    """The tables are not of the version that this code needs."""

    code = "schema"


def current(cursor: Cursor) -> str | None:
    """Return the version of the tables; None where there are none. Locks nothing.

    Raises:
        SchemaError: this user may not look.
    """
    cursor.execute("SELECT to_regclass('alembic_version')")
    if (cursor.fetchone() or (None,))[0] is None:
        return None
    try:
        cursor.execute("SELECT max(version_num) FROM alembic_version")
    except psycopg2.errors.InsufficientPrivilege as error:
        raise SchemaError(
            "this user may not use the tables: run `taskyard migrate` as their owner once the user has its role"
        ) from error
    version: str | None = (cursor.fetchone() or (None,))[0]
    return version


def wait_until_usable(session: Session, wait_s: float = 60.0, say: Callable[[str], None] | None = None) -> str:
    """Wait up to `wait_s` for a database that answers with tables of this version or a newer one; return that version.

    `say` is told what it waits for, whenever that changes.

    Raises:
        UnavailableError: it does not answer.
        SchemaError: its tables are older than this code, or this user may not use them.
    """
    told: list[str] = []

    def tell(state: RetryCallState) -> None:
        cause = str(state.outcome and state.outcome.exception())
        if say is not None and told[-1:] != [cause]:
            told.append(cause)
            say(cause)

    return Retrying(
        retry=retry_if_exception_type((UnavailableError, SchemaError)),
        stop=stop_after_delay(wait_s),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        before_sleep=tell,
        reraise=True,
    )(lambda: session.run(usable))


def usable(cursor: Cursor) -> str:
    """Return the version of the tables, where it is this one or a newer one. Locks nothing.

    Raises:
        SchemaError: they are older than this code, or this user may not look.
    """
    version = current(cursor)
    if version is None or version < REVISION:
        raise SchemaError(f"the tables are at version {version}, not {REVISION}: run `taskyard migrate`")
    return version
