"""What a command says when something went wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from taskyard.errors import TaskyardError


@contextmanager
def explaining(what: str) -> Iterator[None]:
    """Say in one line what went wrong in the command `what`, and end with status 1."""
    try:
        yield
    except TaskyardError as error:
        typer.echo(f"{what}: {error}", err=True)
        raise typer.Exit(1) from error
