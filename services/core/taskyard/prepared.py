"""Statements that PostgreSQL parses and plans once for each connection, rather than each time.

For long ones that are run often: reading and planning them may take longer than doing what they say.
"""

from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg2.extensions

from taskyard.database import Cursor

_known: Final[WeakKeyDictionary[psycopg2.extensions.connection, set[str]]] = WeakKeyDictionary()


BY_KEY: Final = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off"
"""Options of a connection whose statements look rows up by key alone.

Their plans are kept, and must fit tables of any size: also one that was empty when they were made.
"""


class Prepared:
    """A statement with a name of its own, and its parameters, written `%(word)s` as elsewhere."""

    def __init__(self, name: str, statement: str, *parameters: str) -> None:
        numbered = {word: f"${number}" for number, word in enumerate(parameters, 1)}
        self.name = name
        self.prepare = f"PREPARE {name} AS {statement % numbered}"
        self.call = f"EXECUTE {name} ({', '.join(f'%({word})s' for word in parameters)})"

    def execute(self, cursor: Cursor, values: Mapping[str, Any], *, after: "Prepared | None" = None) -> None:
        """Run it in one round trip, and in one more the first time on a connection. Its rows are then the cursor's.

        `after` runs before it, with the same values, in the same round trip and transaction. What that one waited for
        this one sees, as statements of a transaction do.
        """
        statements = (self,) if after is None else (after, self)
        known = _known.setdefault(cursor.connection, set())
        for statement in statements:
            if statement.name not in known:
                cursor.execute(statement.prepare)
                known.add(statement.name)
        cursor.execute("; ".join(statement.call for statement in statements), values)
