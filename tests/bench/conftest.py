"""The servers of the bench, with Taskyard's tables to be copied for each turn."""

from collections.abc import Iterator

import pytest

from bench import idleness, servers
from bench.servers import Servers


@pytest.fixture
def taskyard_servers(tmp_path, postgresql, rabbitmq, monkeypatch) -> Iterator[Servers]:
    """Both servers, ready for turns of Taskyard; idleness is looked at without waiting for it."""
    monkeypatch.setattr(idleness, "_SETTLE_S", 0.0)
    monkeypatch.setattr(servers, "_can_count", lambda: False)  # this PostgreSQL was not started for it
    both = Servers(tmp_path, postgresql, rabbitmq)
    both._make_tables()
    yield both
    both.drop_database("bench_tables")
