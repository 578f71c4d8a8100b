"""Pages of long tables: each looks at a bounded number of rows, however rare those are that it looks for."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taskyard.database import Cursor

EXAMINED: Final = 20_000
"""How many rows one page looks at."""

_SLACK: Final = 10_000
"""Ids are given out and committed nearly, not exactly, in the order of time: so far around it is searched."""


def since(table: str, column: str, name: str) -> str:
    """Return the condition that `column`, which has an index, is at least the value `name`, as a bound of ids."""
    first = f"SELECT id FROM {table} WHERE {column} >= %({name})s ORDER BY {column} LIMIT 1"
    return f"id >= coalesce(({first}), 9223372036854775807) - {_SLACK} AND {column} >= %({name})s"


def until(table: str, column: str, name: str) -> str:
    """Return the condition that `column`, which has an index, is below the value `name`, as a bound of ids."""
    last = f"SELECT id FROM {table} WHERE {column} < %({name})s ORDER BY {column} DESC LIMIT 1"
    return f"id <= coalesce(({last}), 0) + {_SLACK} AND {column} < %({name})s"


def page(
    cursor: Cursor,
    selected: str,
    bounds: Sequence[str],
    judges: Sequence[str],
    values: Mapping[str, Any],
    limit: int,
) -> tuple[list[tuple[Any, ...]], int | None]:
    """Return at most `limit` rows of `selected` (SELECT … FROM …, the id first), newest first.

    With them comes the id below which the next page starts; None where there is no next one.

    The conditions in `bounds`, which an index holds, choose the rows to examine; `judges` judge those rows. `values`
    are those of both. A page may be short, even empty, and still have a next one. Locks nothing.
    """
    window = f"{selected} WHERE {_all(bounds)} ORDER BY id DESC LIMIT {EXAMINED}"
    cursor.execute(
        f"SELECT * FROM ({window}) AS examined WHERE {_all(judges)} ORDER BY id DESC LIMIT %(rows)s",
        {**values, "rows": limit + 1},
    )
    found = cursor.fetchall()
    if len(found) > limit:
        return found[:limit], found[limit - 1][0]
    if not judges:
        return found, None
    cursor.execute(f"SELECT min(id), count(*) FROM ({window}) AS examined", values)
    least, examined = cursor.fetchone() or (None, 0)
    return found, least if examined == EXAMINED else None


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions) or "true"
