"""Which part may do what with which table: a role of PostgreSQL for each, with what its statements need and no more.

The tables belong to whoever migrates, who may do everything, as an installation with one user for all parts does. A
column list narrows a privilege to those columns. What no line names is refused.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import psycopg2.errors
from psycopg2 import sql

from taskyard.database import Cursor
from taskyard.errors import TaskyardError


def role_of(part: str) -> str:
    """Return the role of a part, such as `api`."""
    return f"taskyard_{part}"


API: Final = role_of("api")
DISPATCHER: Final = role_of("dispatcher")
WORKER: Final = role_of("worker")
GUARD: Final = role_of("guard")
ROLES: Final = (API, DISPATCHER, WORKER, GUARD)

_READ: Final = ("SELECT",)
_SUBMITTED: Final = "name, tags, payload, priority, queue, max_attempts, timeout_s"
"""Columns of `tasks` that say what is to be done."""

_STATUS: Final = (
    "status, reason, run_at, finished_at, result, progress, error_type, error_message, losses, uncounted_attempts"
)
"""Columns of `tasks` that say how far it is, and that an end, a retry or a loss sets."""

_PRESENT: Final = """
    SELECT rolname FROM pg_roles
     WHERE rolname = ANY(%s)
       AND NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('tasks') AND relowner = pg_roles.oid)
     ORDER BY rolname
"""

GRANTS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    # Takes tasks in, shows and changes them for people; also `taskyard keys`, run beside it. It has no part in leases
    # and attempts, and neither changes what the audit holds, nor says when that happened.
    API: {
        "alembic_version": _READ,
        "tasks": (
            "SELECT",
            "INSERT",
            f"UPDATE ({_STATUS}, {_SUBMITTED}, queued_at, cancel_requested_at, progress_note)",
            "DELETE",
        ),
        "ready": (
            "SELECT",
            "INSERT",
            "UPDATE (run_at, attempt, priority, queue, kind, dispatched_at)",
            "DELETE",
        ),
        "attempts": ("SELECT", "DELETE"),
        "kinds": _READ,
        "queues": ("SELECT", "UPDATE (paused, dispatch_window)"),
        "counters": _READ,
        "moves": ("SELECT", "INSERT"),
        "api_keys": ("SELECT", "INSERT", "UPDATE (expires_at, revoked_at, last_used_at)"),
        "audit": ("SELECT", "INSERT (actor, action, task_ids, queue, key_id, source, request_id, detail)"),
        "passes": _READ,
        "violations": _READ,
    },
    # Moves tasks, ends what was lost, forgets what is old, adds up and checks. What a task is to do it leaves alone.
    DISPATCHER: {
        "alembic_version": _READ,
        "tasks": (
            "SELECT",
            "INSERT",  # canaries
            f"UPDATE ({_STATUS}, queued_at, started_at, lease_until)",
            "DELETE",
        ),
        "ready": ("SELECT", "INSERT", "UPDATE", "DELETE"),
        "attempts": ("SELECT", "INSERT", "DELETE"),
        "kinds": _READ,
        "queues": ("SELECT", "INSERT (name)"),  # where an unfinished task names one that there is not
        "counters": ("SELECT", "INSERT", "UPDATE"),
        "moves": ("SELECT", "INSERT", "DELETE"),
        "passes": ("SELECT", "INSERT", "UPDATE", "DELETE"),
        "violations": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    },
    # Runs code that others wrote: it takes what waits and says how that ended, and can neither make work nor undo it.
    WORKER: {
        "alembic_version": _READ,
        "tasks": (
            "SELECT",
            f"UPDATE ({_STATUS}, attempt, worker, started_at, lease_until, progress_note)",
        ),
        "ready": ("SELECT (task_id)", "DELETE"),
        "attempts": ("INSERT",),
        "kinds": ("SELECT", "INSERT", "UPDATE"),
        "queues": ("SELECT", "INSERT (name)"),
        "moves": ("INSERT",),
        "verify_writes": ("SELECT", "INSERT"),
    },
    # Looks which workers are busy.
    GUARD: {
        "alembic_version": _READ,
        "tasks": ("SELECT (worker, status, started_at, lease_until)",),
    },
}
"""By role, then table."""

TABLES: Final = sorted({table for tables in GRANTS.values() for table in tables})
"""The tables that somebody may use."""


class RolesError(TaskyardError):
    """The roles are not there, or cannot be made by this user."""

    code = "roles"


def require_roles(cursor: Cursor) -> None:
    """Do nothing where all roles exist.

    Raises:
        RolesError: some do not.
    """
    cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(ROLES),))
    if missing := set(ROLES) - {role for (role,) in cursor.fetchall()}:
        raise RolesError(f"PostgreSQL has no role {', '.join(sorted(missing))}")


def make_roles(cursor: Cursor) -> None:
    """Make the roles that do not exist, as groups that nobody can log in as; needs a transaction.

    Raises:
        RolesError: the user may not make roles.
    """
    cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(ROLES),))
    there = {role for (role,) in cursor.fetchall()}
    try:
        for role in ROLES:
            if role not in there:
                cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    except psycopg2.errors.InsufficientPrivilege as error:
        raise RolesError(
            f"this user may not make roles: give it CREATEROLE, or have an administrator make {', '.join(ROLES)}"
        ) from error


def apply(cursor: Cursor) -> list[str]:
    """Give each role that exists what it needs of the tables, and take whatever else it has; return those roles.

    Needs a transaction, at whose end others see all of it. To be run by the owner of the tables; a role that is the
    owner, as of an installation with one user for all parts, keeps all that it has.
    """
    roles = _present(cursor)
    cursor.execute("SELECT current_schema()")
    schema = sql.Identifier(*(cursor.fetchone() or ("public",)))
    for role in roles:
        _grant(cursor, role, schema)
    return roles


def _grant(cursor: Cursor, role: str, schema: sql.Identifier) -> None:
    to = sql.Identifier(role)
    cursor.execute("SELECT has_schema_privilege(%s, current_schema(), 'USAGE')", (role,))
    if cursor.fetchone() == (False,):
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, to))
    # Of a table this takes the privileges on its columns too.
    every = sql.SQL(", ").join(map(sql.Identifier, TABLES))
    cursor.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(every, to))
    for table, privileges in GRANTS[role].items():
        cursor.execute(
            sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(", ".join(privileges)), sql.Identifier(table), to)
        )


def _present(cursor: Cursor) -> list[str]:
    cursor.execute(_PRESENT, (list(ROLES),))
    return [role for (role,) in cursor.fetchall()]
