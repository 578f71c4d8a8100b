"""Statements that PostgreSQL plans once for each connection, since planning takes longer than what they do."""

import re
from typing import Any, Final, Self
from zlib import crc32

import psycopg2.extensions

BY_KEY: Final = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off"
"""Options of a connection whose statements look rows up by key alone.

Their plans are kept, and must fit tables of any size: also one that was empty when they were made.
"""

_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)s")


class Connection(psycopg2.extensions.connection):
    """A connection that knows what it has prepared."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepared: set[str] = set()


class Prepared(str):
    """A statement with its parameters' types, by name and in any order: `Prepared("… %(id)s …", id="bigint")`.

    It is its own text, with psycopg2's placeholders, for whoever wants it planned anew.
    """

    __slots__ = ("_execute", "_prepare", "name")

    name: str
    _prepare: str
    _execute: str

    def __new__(cls, text: str, **types: str) -> Self:
        """Make it; nothing is sent yet."""
        made = super().__new__(cls, text)
        numbers = {name: number for number, name in enumerate(types, 1)}
        numbered = _PLACEHOLDER.sub(lambda found: f"${numbers[found[1]]}", text).replace("%%", "%")
        made.name = f"taskyard_{crc32(text.encode()):08x}"
        made._prepare = f"PREPARE {made.name} ({', '.join(types.values())}) AS {numbered}"
        made._execute = f"EXECUTE {made.name} ({', '.join(f'%({name})s' for name in types)})"
        return made

    def run(self, cursor: psycopg2.extensions.cursor, values: dict[str, Any]) -> None:
        """Execute it with `values` by name, as `cursor.execute` would; prepared where this connection has not yet.

        On a connection of another sort, such as a test's, it is planned anew each time.
        """
        connection = cursor.connection
        if not isinstance(connection, Connection):
            cursor.execute(self, values)
            return
        if self.name not in connection.prepared:
            cursor.execute(self._prepare)
            connection.prepared.add(self.name)
        cursor.execute(self._execute, values)
