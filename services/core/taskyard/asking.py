"""Statements as a conversation, whoever carries it out: a thread that waits for each answer, or an event loop.

    asking ──Ask──▶ whoever carries it ──▶ PostgreSQL
           ◀─rows──                    ◀──

An asking only decides what to ask next, and what its answers mean. An error of PostgreSQL is raised in it, where it was
asked.
"""

from collections.abc import Generator, Iterator
from typing import Any, NamedTuple, TypeVar

import psycopg2

from taskyard.database import Connection, Cursor
from taskyard.prepared import Prepared, Values

T = TypeVar("T")
Rows = list[tuple[Any, ...]]


class Ask(NamedTuple):
    """A statement that returns rows, and its values."""

    statement: Prepared | str
    values: Values

    def trips(self, connection: Connection) -> Iterator[tuple[str, Values | None]]:
        """Give what is to be sent, one text a round trip; the rows are the last one's."""
        if isinstance(self.statement, Prepared):
            return self.statement.trips(connection, self.values)
        return iter([(self.statement, self.values)])


Asking = Generator[Ask, Rows, T]
"""Asks, is sent the rows, and returns what they mean."""


def carry(cursor: Cursor, asking: Asking[T]) -> T:
    """Carry `asking` out in this thread; return what it returns."""
    try:
        ask = next(asking)
        while True:
            try:
                for text, values in ask.trips(cursor.connection):
                    cursor.execute(text, values)
                rows = cursor.fetchall()
            except psycopg2.Error as error:
                ask = asking.throw(error)
            else:
                ask = asking.send(rows)
    except StopIteration as over:
        result: T = over.value
        return result
