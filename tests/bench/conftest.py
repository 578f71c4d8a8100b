"""What tests of the bench need: its servers, with Taskyard's tables to be copied for each turn, and servers of HTTP."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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


@pytest.fixture
def serving() -> Callable[[type[BaseHTTPRequestHandler]], AbstractContextManager[int]]:
    """What serves HTTP by a handler for the length of a block, and gives the port."""

    @contextmanager
    def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield server.server_port
            server.shutdown()
            thread.join()

    return serve
