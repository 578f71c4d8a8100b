"""The version of the record's tables: bringing it up, and refusing to run against another."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import psycopg2.errors
import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from taskyard import grants
from taskyard.database import Cursor, Session
from taskyard.errors import TaskyardError, UnavailableError
from taskyard.patience import patiently

REVISION: Final = "0004"
"""The migration that this code was written for; it also runs on the tables of the next version."""

_LOCK: Final = 72350001  # any number, the same for all; nobody else uses this database
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


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


def migrate(
    url: str,
    wait_s: float = 60.0,
    *,
    make_roles: bool = False,
    await_roles: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> str:
    """Bring the tables to this version; return the version they then have. Waits up to `wait_s` for the database.

    The parts' roles get what they need of the tables (`taskyard.grants`), those that exist; with `make_roles` all do.
    With `await_roles` it also waits for somebody else to make them: they would get nothing if they came later.
    Tables of a newer version are left as they are: the version before must run on them, so an upgrade can be undone.
    Safe to start many times at once: an advisory lock lets one in, and the others then find nothing to do.
    Nobody waits for it for long (`taskyard.patience`); `say` is told who holds it up.

    Raises:
        UnavailableError: the database does not answer.
        LockedError: others held the tables for too long.
        RolesError: the user may not make roles, or nobody has made them.
    """
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    _await_database(engine, wait_s, await_roles=await_roles)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            return _upgrade(connection, say, make_roles=make_roles)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()


def _await_database(engine: sqlalchemy.Engine, wait_s: float, *, await_roles: bool) -> None:
    try:
        for attempt in Retrying(
            retry=retry_if_exception_type((sqlalchemy.exc.OperationalError, grants.RolesError)),
            stop=stop_after_delay(wait_s),
            wait=wait_random_exponential(multiplier=0.2, max=3),
            reraise=True,
        ):
            with attempt, engine.connect() as probe:
                probe.execute(text("SELECT 1"))
                if await_roles:
                    driver: Any = probe.connection
                    with driver.cursor() as cursor:
                        grants.require_roles(cursor)
    except sqlalchemy.exc.OperationalError as error:
        raise UnavailableError(f"PostgreSQL is away: {str(error.orig).strip()}") from error


def _upgrade(connection: sqlalchemy.Connection, say: Callable[[str], None], *, make_roles: bool) -> str:
    driver: Any = connection.connection
    with driver.cursor() as cursor:
        found = current(cursor)
    connection.rollback()
    if found is not None and found > REVISION:
        return found
    if make_roles:
        with connection.begin(), driver.cursor() as cursor:
            grants.make_roles(cursor)
    patiently(connection, lambda: command.upgrade(_config(connection), "head"), say)
    connection.commit()
    with connection.begin(), driver.cursor() as cursor:  # for roles that came after the tables
        grants.apply(cursor)
    return REVISION


def _config(connection: sqlalchemy.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
