"""Statements that PostgreSQL parses once for each connection and plans once a second, rather than each time.

For long ones that are run often: reading and planning them may take longer than doing what they say.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from taskyard.database import Connection, Cursor

Values = Mapping[str, Any]

BY_KEY: Final = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off"
"""Options of a connection whose statements look rows up by key alone, and whose plans are kept."""


def looked_up(column: str, key: str) -> str:
    """Return the condition that `column`, the key of a table, is `key`, a column of few rows that are joined with it.

    Such that PostgreSQL has but one way: to look each of the few up. By `=` alone it may go through all of the table's
    index in its order, and through all of the few for each entry, which is what it does where it takes the table for
    empty: one that was so when it was last analysed, and has pages left, is taken for empty however it has grown.
    """
    return f"{column} = ANY (ARRAY[{key}])"


PLANNED_ANEW_S: Final = 1.0
"""Seconds after which a connection that is in use plans its statements anew.

A plan that was made for a table of a few rows goes through all of it. When there are ten thousand, it still does.
"""


@dataclass(slots=True)
class _Plans:
    """What a connection has planned, and until when that may be used."""

    until: float
    names: set[str] = field(default_factory=set)


_plans: Final[WeakKeyDictionary[Connection, _Plans]] = WeakKeyDictionary()


class Prepared:
    """A statement with a name of its own, and its parameters, written `%(word)s` as elsewhere."""

    def __init__(self, name: str, statement: str, *parameters: str) -> None:
        numbered = {word: f"${number}" for number, word in enumerate(parameters, 1)}
        self.name = name
        self.prepare = f"PREPARE {name} AS {statement % numbered}"
        self.call = f"EXECUTE {name} ({', '.join(f'%({word})s' for word in parameters)})"

    def execute(self, cursor: Cursor, values: Values, *, after: "Prepared | None" = None) -> None:
        """Run it in one round trip, and in one more the first time on a connection. Its rows are then the cursor's.

        `after` runs before it, with the same values, in the same round trip and transaction. What that one waited for
        this one sees, as statements of a transaction do.
        """
        for text, filled in self.trips(cursor.connection, values, after=after):
            cursor.execute(text, filled)

    def trips(
        self, connection: Connection, values: Values, *, after: "Prepared | None" = None
    ) -> Iterator[tuple[str, Values | None]]:
        """Give what `execute` sends, one text a round trip; each is to be asked for when the one before was done."""
        statements = (self,) if after is None else (after, self)
        now = time.monotonic()
        plans = _plans.setdefault(connection, _Plans(now + PLANNED_ANEW_S))
        for statement in statements:
            if statement.name not in plans.names:
                yield statement.prepare, None
                plans.names.add(statement.name)
        calls = [statement.call for statement in statements]
        if now >= plans.until:
            plans.until = now + PLANNED_ANEW_S
            calls.insert(0, "DISCARD PLANS")
        yield "; ".join(calls), values
