"""The command `taskyard`: what concerns the whole installation. Each part has a command of its own beside it."""

from pathlib import Path
from typing import Annotated

import typer

from taskyard import keys_command, migrating, schema
from taskyard.database import Session
from taskyard.explaining import explaining, settings_for
from taskyard.issuing import Person, record_first
from taskyard.settings import DatabaseSettings, MigrationSettings
from taskyard.verify.command import verify

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
app.add_typer(keys_command.app, name="keys")


@app.callback()
def taskyard() -> None:
    """Taskyard: task processing with PostgreSQL as the record and RabbitMQ as the buffer."""


@app.command()
def migrate(
    wait_s: Annotated[float, typer.Option(help="Seconds to wait for the database to answer.")] = 60.0,
    *,
    make_roles: Annotated[bool, typer.Option("--make-roles", help="Make the parts' roles that do not exist.")] = False,
    await_roles: Annotated[bool, typer.Option("--await-roles", help="Wait for the parts' roles, too.")] = False,
) -> None:
    """Bring the tables in DATABASE_URL to this version; newer ones stay. Safe to run many times, also at once.

    The roles taskyard_api, taskyard_dispatcher, taskyard_worker and taskyard_guard, those that exist, get what each
    part needs of the tables, and nothing else. The API key TASKYARD_FIRST_KEY is recorded where it is not known yet.
    """
    settings = settings_for("taskyard migrate", MigrationSettings)
    url = settings.database_url.get_secret_value()
    with explaining("taskyard migrate"):
        version = migrating.migrate(url, wait_s, make_roles=make_roles, await_roles=await_roles, say=_say_waiting)
        if first_key := settings.first_key.get_secret_value():
            with Session(url, "taskyard migrate").transaction() as cursor:
                is_new = record_first(cursor, first_key, Person.of_this_process())
            typer.echo("The first key is recorded." if is_new else "The first key is known.")
    typer.echo(f"The tables are at version {version}.")
    if version > schema.REVISION:
        typer.echo(f"That is newer than version {schema.REVISION}, which this program brings: nothing was changed.")


@app.command()
def wait_for_schema(
    wait_s: Annotated[float, typer.Option(min=0.0, help="Seconds to wait at most.")] = 300.0,
) -> None:
    """Wait until the tables in DATABASE_URL are at this version or a newer one, for others to bring them there."""
    with explaining("taskyard wait-for-schema"):
        url = settings_for("taskyard wait-for-schema", DatabaseSettings).database_url.get_secret_value()
        session = Session(url, "taskyard wait-for-schema")
        version = schema.wait_until_usable(session, wait_s, _say_waiting)
    typer.echo(f"The tables are at version {version}.")


def _say_waiting(cause: str) -> None:
    typer.echo(f"Waits: {cause}", err=True)


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


app.command()(verify)


def main() -> None:
    """Run the command line."""
    app()
