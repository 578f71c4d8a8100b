"""The command `taskyard`: what concerns the whole installation. Each part has a command of its own beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from taskyard import schema
from taskyard.database import Session
from taskyard.errors import TaskyardError
from taskyard.settings import DatabaseSettings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


@app.callback()
def taskyard() -> None:
    """Taskyard: task processing with PostgreSQL as the record and RabbitMQ as the buffer."""


@app.command()
def migrate(
    wait_s: Annotated[float, typer.Option(help="Seconds to wait for the database to answer.")] = 60.0,
    *,
    make_roles: Annotated[bool, typer.Option("--make-roles", help="Make the parts' roles that do not exist.")] = False,
) -> None:
    """Bring the tables in DATABASE_URL to this version; newer ones stay. Safe to run many times, also at once.

    The roles taskyard_api, taskyard_dispatcher, taskyard_worker and taskyard_guard, those that exist, get what each
    part needs of the tables, and nothing else.
    """
    with _explaining("taskyard migrate"):
        version = schema.migrate(DatabaseSettings().database_url.get_secret_value(), wait_s, make_roles=make_roles)
    typer.echo(f"The tables are at version {version}.")
    if version > schema.REVISION:
        typer.echo(f"That is newer than version {schema.REVISION}, which this program brings: nothing was changed.")


@app.command()
def wait_for_schema(
    wait_s: Annotated[float, typer.Option(min=0.0, help="Seconds to wait at most.")] = 300.0,
) -> None:
    """Wait until the tables in DATABASE_URL are at this version or a newer one, for others to bring them there."""
    with _explaining("taskyard wait-for-schema"):
        session = Session(DatabaseSettings().database_url.get_secret_value(), "taskyard wait-for-schema")
        version = schema.wait_until_usable(session, wait_s, lambda cause: typer.echo(f"Waits: {cause}", err=True))
    typer.echo(f"The tables are at version {version}.")


@contextmanager
def _explaining(what: str) -> Iterator[None]:
    """Say in one line what went wrong, and end with status 1."""
    try:
        yield
    except TaskyardError as error:
        typer.echo(f"{what}: {error}", err=True)
        raise typer.Exit(1) from error


@app.command()
def run(
    directory: Annotated[Path, typer.Option(help="Where servers keep their data and logs.")] = Path(".dev"),
    *,
    once: Annotated[bool, typer.Option("--once", help="Stop after the first finished task.")] = False,
    flower: Annotated[bool, typer.Option(help="Start Flower too.")] = True,
) -> None:
    """Run everything on this machine, without Docker: PostgreSQL, RabbitMQ, and every part of Taskyard."""
    try:
        from taskyard.local.run import run as run_locally  # noqa: PLC0415 - only this command needs the extra `local`
    except ModuleNotFoundError as error:
        typer.echo(
            f"taskyard run needs the extra `local`, which brings {error.name}: pip install 'taskyard[local]'", err=True
        )
        raise typer.Exit(1) from error
    raise typer.Exit(run_locally(directory, once=once, flower=flower))


def main() -> None:
    """Run the command line."""
    app()
