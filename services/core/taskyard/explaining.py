"""What a command says when something went wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import psycopg2
import psycopg2.errors
import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from taskyard.errors import TaskyardError

S = TypeVar("S", bound=BaseSettings)

_NO_RIGHT: Final = "the user that DATABASE_URL names lacks the right; name the one that `taskyard migrate` runs as"
_NO_CONNECTION: Final = "see that DATABASE_URL names the server, database, user and password that you mean"
_OTHER_TABLES: Final = "the tables are of another version: run `taskyard migrate`"


@contextmanager
def explaining(what: str) -> Iterator[None]:
    """Say in one line what went wrong in the command `what`, and what to do, and end with status 1."""
    try:
        yield
    except (TaskyardError, psycopg2.Error, ValidationError) as error:
        typer.echo(f"{what}: {_said(error)}", err=True)
        raise typer.Exit(1) from error


def settings_for(command: str, of: type[S]) -> S:
    """Return the settings `of` a part as the environment has them; where one is wrong, say so and end with status 1."""
    try:
        return of()
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            typer.echo(f"{command}: {_variable(of, str(fault['loc'][0]))}: {fault['msg']}", err=True)
        raise SystemExit(1) from None


def _variable(of: type[BaseSettings], name: str) -> str:
    """Return how the environment calls a setting; an alias is called as it is."""
    prefix = of.model_config.get("env_prefix", "")
    return f"{prefix}{name}".upper() if name in of.model_fields else name


def _said(error: TaskyardError | psycopg2.Error | ValidationError) -> str:
    match error:
        case ValidationError():  # its own text shows values, and a URL holds a password
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
        case psycopg2.errors.InsufficientPrivilege():
            return f"{_first_line(error)}: {_NO_RIGHT}"
        case psycopg2.errors.UndefinedColumn() | psycopg2.errors.UndefinedTable():
            return f"{_first_line(error)}: {_OTHER_TABLES}"
        case psycopg2.Error():
            return f"PostgreSQL refuses it: {_first_line(error)}"
    # Where PostgreSQL said why, it was not the way to it that failed.
    cause = error.__cause__
    was_connecting = isinstance(cause, psycopg2.OperationalError) and cause.pgcode is None
    return f"{error}; {_NO_CONNECTION}" if was_connecting else str(error)


def _first_line(error: psycopg2.Error) -> str:
    """Return what is for people; the lines that follow may show the row."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
