"""Connections as the parts have them: with the login of a role, on a database of the test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg2
import pytest
from sqlalchemy.engine import make_url

Cursor = psycopg2.extensions.cursor


def connect(url: str, database: str | None = None) -> Any:
    """Return a connection to the server of `url`, in its transaction."""
    own = make_url(url)
    return psycopg2.connect(
        host=own.host, port=own.port, user=own.username, password=own.password, dbname=database or own.database
    )


@pytest.fixture
def cursor_of(postgresql, database_url) -> Iterator[Callable[[str], Cursor]]:
    """Give a cursor of a role on the test's database; what it does is never committed."""
    database = make_url(database_url).database
    with ExitStack() as stack:

        def cursor(role: str) -> Cursor:
            return stack.enter_context(closing(connect(postgresql.url_of(role), database))).cursor()

        yield cursor


@pytest.fixture
def owner(database_url) -> Iterator[Cursor]:
    """Give a cursor of the tables' owner; each statement is committed."""
    with closing(connect(database_url)) as connection:
        connection.autocommit = True
        yield connection.cursor()
