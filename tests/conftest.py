"""Real servers, one of each for the whole run, and a database of its own for each test that asks for one."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from taskyard import migrating
from taskyard.database import Session
from taskyard.local.postgresql import PostgreSQL
from taskyard.local.rabbitmq import RabbitMQ

ROOT = Path(__file__).parent.parent

collect_ignore = ["k8s"]
"""Only where it is asked for by name, as `make e2e-k8s` does: it needs a cluster, and half an hour."""


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory) -> Iterator[PostgreSQL]:
    """A PostgreSQL server. It does not flush to disk: tests kill processes, not the machine."""
    server = PostgreSQL(
        tmp_path_factory.mktemp("postgresql"),
        None,
        settings={"fsync": "off", "max_connections": "200", "log_min_messages": "fatal"},
    )
    server.start()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory) -> Iterator[RabbitMQ]:
    """A RabbitMQ server, its programs shared with the local run's."""
    server = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"), server_directory=ROOT / ".dev" / "server")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def execute(server: PostgreSQL, statement: str) -> None:
    """Run one statement of administration."""
    parts = make_url(server.url)
    connection = psycopg2.connect(
        host=parts.host, port=parts.port, user=parts.username, password=parts.password, dbname="postgres"
    )
    connection.autocommit = True
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()


@pytest.fixture(scope="session")
def template(postgresql) -> str:
    """The name of a database with the tables, to be copied."""
    execute(postgresql, "CREATE DATABASE template_taskyard")
    migrating.migrate(make_url(postgresql.url).set(database="template_taskyard").render_as_string(hide_password=False))
    return "template_taskyard"


@pytest.fixture
def database_url(postgresql, template) -> Iterator[str]:
    """The URL of a database of the test's own, with the tables and the built-in kinds."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    execute(postgresql, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield make_url(postgresql.url).set(database=name).render_as_string(hide_password=False)
    execute(postgresql, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def session(database_url) -> Iterator[Session]:
    """A session on the test's database."""
    made = Session(database_url, "test")
    yield made
    made.close()


@pytest.fixture
def other_session(database_url) -> Iterator[Session]:
    """A second session on the same database, to race with."""
    made = Session(database_url, "test-other")
    yield made
    made.close()
