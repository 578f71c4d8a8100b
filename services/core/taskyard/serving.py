"""The port that a process shows itself on: /metrics, and where it has a health of its own, /livez and /readyz.

It is served by a thread, from the start of the process on. A worker forks its children beside that thread, so no fork
happens while it answers: a child would inherit locks that are never released. Nor does a child keep the port.
"""

import os
import socket
import threading
from collections.abc import Iterable
from socketserver import TCPServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import orjson
import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from taskyard.health import Health
from taskyard.settings import ProcessSettings

log = structlog.get_logger(__name__)


class _Handler(WSGIRequestHandler):
    """Logs nothing, and gives up on a client that says nothing."""

    timeout = 10.0

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        pass


class _Server(ThreadingWSGIServer):
    """A thread for each request."""

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking the DNS for our own name, as the library would: it may take its time to answer."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, _request: Any, client_address: Any) -> None:
        """Take note of a client that hung up, or was given up on."""
        log.debug("a request for metrics or health broke", client=client_address)


def serve(settings: ProcessSettings, collectors: CollectorRegistry, health: Health | None = None) -> WSGIServer | None:
    """Show `collectors` and `health` on the metrics port of the settings, from a thread; port 0: nowhere.

    Raises:
        OSError: the port is taken.
    """
    if not settings.metrics_port:
        return None
    server = _Server(settings.metrics_host, settings.metrics_port)
    answering = threading.Lock()
    server.set_app(_one_at_a_time(application(collectors, health), answering))

    def let_go() -> None:
        server.socket.close()
        answering.release()

    os.register_at_fork(before=answering.acquire, after_in_parent=answering.release, after_in_child=let_go)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def application(collectors: CollectorRegistry, health: Health | None) -> WSGIApplication:
    """Return what answers; everything but its three paths is 404."""
    metrics: WSGIApplication = make_wsgi_app(collectors)

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                return metrics(environ, start)
            case "/livez" if health is not None:
                return _verdict(start, "stalled", health.stalled())
            case "/readyz" if health is not None:
                return _verdict(start, "not ready", health.lacking())
            case _:
                return _json(start, "404 Not Found", {"status": "not found"})

    return answer


def _verdict(start: StartResponse, bad: str, causes: list[str]) -> Iterable[bytes]:
    if not causes:
        return _json(start, "200 OK", {"status": "ok"})
    return _json(start, "503 Service Unavailable", {"status": bad, "causes": causes})


def _json(start: StartResponse, status: str, content: dict[str, Any]) -> Iterable[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [orjson.dumps(content)]


def _one_at_a_time(answer: WSGIApplication, lock: threading.Lock) -> WSGIApplication:
    def locked(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        with lock:
            return answer(environ, start)

    return locked
