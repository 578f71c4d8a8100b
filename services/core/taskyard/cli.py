"""The command `taskyard`: what concerns the whole installation. Each part has a command of its own beside it."""

from pathlib import Path
from typing import Annotated

import typer

from taskyard import schema
from taskyard.settings import DatabaseSettings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


@app.callback()
def taskyard() -> None:
    """Taskyard: task processing with PostgreSQL as the record and RabbitMQ as the buffer."""


@app.command()
def migrate(
    wait_s: Annotated[float, typer.Option(help="Seconds to wait for the database to answer.")] = 60.0,
) -> None:
    """Bring the tables in DATABASE_URL to this version. Safe to run many times, also at once."""
    url = DatabaseSettings().database_url.get_secret_value()
    typer.echo(f"The tables are at version {schema.migrate(url, wait_s)}.")


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
