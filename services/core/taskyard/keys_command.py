"""The command `taskyard keys`: who may use the API. It works on the database itself."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

import typer

from taskyard import issuing
from taskyard.database import Cursor, Session
from taskyard.documents import text_fault
from taskyard.explaining import explaining
from taskyard.issuing import Person, Wish
from taskyard.keys import Scope
from taskyard.keys import key_id as key_id_of
from taskyard.settings import DatabaseSettings
from taskyard.statements import keys as statements
from taskyard.statements.keys import KeyShown

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Make, list, replace and revoke API keys, in DATABASE_URL.")

_LONGEST_S: Final = 100 * 366 * 24 * 3600.0
_TIMES: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
_COLUMNS: Final = ("ID", "NAME", "SCOPES", "STATE", "CREATED", "EXPIRES", "LAST USED", "PER S")
_ONCE: Final = "This is the key {id}. It is shown this once; keep it where secrets are kept."


def _name(text: str) -> str:
    fault = text_fault(text, "the name")
    if fault or not 1 <= len(text) <= 200:  # noqa: PLR2004 - as the table has it
        raise typer.BadParameter(fault.message if fault else "must have 1 to 200 characters")
    return text


@app.command()
def create(
    name: Annotated[str, typer.Option(callback=_name, help="What people call it: who or what uses it.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; may be repeated. `admin` is all of it.")],
    expires_in_s: Annotated[float | None, typer.Option(min=1, max=_LONGEST_S, help="Seconds until it expires.")] = None,
    expires_at: Annotated[datetime | None, typer.Option(formats=_TIMES, help="When it expires, UTC.")] = None,
    rate_per_s: Annotated[float | None, typer.Option(min=0.001, help="Requests a second that it may send.")] = None,
) -> None:
    """Make a key and print it, this once. Without a time it never expires."""
    if expires_at is not None:
        if expires_in_s is not None:
            raise typer.BadParameter("give either --expires-in-s or --expires-at, not both")
        expires_in_s = (expires_at.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
        if expires_in_s <= 0:
            raise typer.BadParameter("--expires-at is over already")
    wish = Wish(name, frozenset(scope), expires_in_s, rate_per_s)
    _show_once(_changed("create", lambda cursor: issuing.create(cursor, wish, Person.of_this_process())))


@app.command(name="list")
def list_keys() -> None:
    """List all keys, oldest first, without what is secret of them."""
    with explaining("taskyard keys list"):
        found = _session().run(statements.shown)
    now = datetime.now(UTC)
    _print_table([_COLUMNS, *(_row(key, now) for key in found)])


@app.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="The id of the key to replace, its first 12 characters.")],
    overlap_s: Annotated[float, typer.Option(min=0, max=_LONGEST_S, help="Seconds that the old one lives on.")] = 86400,
) -> None:
    """Make a key like another, with its lifetime, and print it, this once; the other expires after the overlap."""
    _show_once(_changed("rotate", lambda cursor: issuing.rotate(cursor, key_id, overlap_s, Person.of_this_process())))
    typer.echo(f"The key {key_id} expires in {overlap_s:g} s, if not earlier.", err=True)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The id of the key, its first 12 characters.")]) -> None:
    """Refuse a key from now on; each API process does so after TASKYARD_API_KEY_FRESH_S at the latest."""
    changed = _changed("revoke", lambda cursor: issuing.revoke(cursor, key_id, Person.of_this_process()))
    typer.echo(f"The key {key_id} is revoked." if changed else f"The key {key_id} was revoked already.")


def _session() -> Session:
    return Session(DatabaseSettings().database_url.get_secret_value(), "taskyard keys")


def _changed(what: str, change: Callable[[Cursor], T]) -> T:
    """Return what `change` returns, done as one transaction."""
    with explaining(f"taskyard keys {what}"), _session().transaction() as cursor:
        return change(cursor)


def _show_once(key: str) -> None:
    """Print the key alone to standard output, for programs, and what is to be known to standard error."""
    typer.echo(key)
    typer.echo(_ONCE.format(id=key_id_of(key)), err=True)


def _row(key: KeyShown, now: datetime) -> tuple[str, ...]:
    return (
        key.id,
        "".join(char if char.isprintable() else "\ufffd" for char in key.name),
        ",".join(key.scopes),
        _state(key, now),
        _time(key.created_at),
        _time(key.expires_at, "never"),
        _time(key.last_used_at, "never"),
        "default" if key.rate_per_s is None else f"{key.rate_per_s:g}",
    )


def _state(key: KeyShown, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "valid"


def _time(at: datetime | None, missing: str = "") -> str:
    return missing if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _print_table(rows: Iterable[tuple[str, ...]]) -> None:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
