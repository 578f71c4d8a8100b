"""Folders for servers of a test's own."""

from pathlib import Path

import pytest

from taskyard.local.postgresql import PostgreSQL
from taskyard.local.rabbitmq import RabbitMQ

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory):
    """A server that is not started yet, and what makes another object of the same folder."""
    directory = tmp_path_factory.mktemp("postgresql")
    server = PostgreSQL(directory / "server", settings={"fsync": "off"})
    yield server
    server.remove()


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory):
    """A running node, unpacked where `make run` looks for it too."""
    node = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"), REPOSITORY / ".dev/server")
    node.start()
    yield node
    node.kill()
