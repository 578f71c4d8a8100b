"""Bringing the record's tables to this version.

Apart from `taskyard.patience` this alone needs SQLAlchemy and Alembic, which take time and 24 MB to load. What only
uses the tables does without.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from taskyard import grants
from taskyard.errors import UnavailableError
from taskyard.patience import patiently
from taskyard.schema import REVISION, current

_LOCK: Final = 72350001  # any number, the same for all; nobody else uses this database
MIGRATIONS: Final = Path(__file__).parent / "migrations"


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
    patiently(connection, lambda: command.upgrade(config(connection), "head"), say)
    connection.commit()
    with connection.begin(), driver.cursor() as cursor:  # for roles that came after the tables
        grants.apply(cursor)
    return REVISION


def config(connection: sqlalchemy.Connection) -> Config:
    """Return what Alembic is told, to migrate over `connection`."""
    told = Config()
    told.set_main_option("script_location", str(MIGRATIONS))
    told.attributes["connection"] = connection
    return told
