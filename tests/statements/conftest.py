"""Databases without tables, for what makes them."""

import uuid

import pytest
from sqlalchemy.engine import make_url

from conftest import execute


@pytest.fixture
def empty_url(postgresql):
    """The URL of a database without tables."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    execute(postgresql, f"CREATE DATABASE {name}")
    yield make_url(postgresql.url).set(database=name).render_as_string(hide_password=False)
    execute(postgresql, f"DROP DATABASE {name} WITH (FORCE)")
