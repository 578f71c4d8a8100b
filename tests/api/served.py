"""The API, or any other application, served by a real uvicorn in a thread, with the API's own connections."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from prometheus_client import CollectorRegistry

from taskyard_api.app import create_app
from taskyard_api.connections import server_config
from taskyard_api.metrics import ApiMetrics
from taskyard_api.settings import ApiSettings
from waiting import eventually

NO_DATABASE = "postgresql+psycopg2://nobody:x@127.0.0.1:1/none"


class Served:
    """A server in a thread, by its port."""

    def __init__(self, port: int, registry: CollectorRegistry) -> None:
        self.port = port
        self._registry = registry

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def say(self, *parts: bytes) -> tuple[int, dict, dict[str, str]]:
        """Send `parts`, and return status, body and headers of what is answered until the server hangs up."""
        with self.connect() as client:
            for part in parts:
                client.sendall(part)
            return answer_of(client)

    def refused(self, cause: str) -> float:
        return self._registry.get_sample_value("taskyard_http_connections_refused_total", {"cause": cause})

    def is_open(self) -> float:
        return self._registry.get_sample_value("taskyard_http_connections")


def answer_of(client: socket.socket) -> tuple[int, dict, dict[str, str]]:
    received = b""
    while more := client.recv(65536):
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    status = int(lines[0].split()[1]) if head else 0
    return status, json.loads(body) if body else {}, headers


@contextmanager
def serving(app=None, **changes) -> Iterator[Served]:
    """Serve `app`, the API where none is given, with these settings."""
    settings = ApiSettings(**({"DATABASE_URL": NO_DATABASE, "auth": "none", "api_port": 0} | changes))
    registry = CollectorRegistry()
    if app is None:
        app = create_app(settings, registry)
        metrics = app.state.parts.metrics.connections
    else:
        metrics = ApiMetrics(registry).connections
    server = uvicorn.Server(server_config(app, settings, metrics))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started, "the server listens")
        yield Served(server.servers[0].sockets[0].getsockname()[1], registry)
    finally:
        server.should_exit = True
        thread.join(30)
    assert not thread.is_alive()
