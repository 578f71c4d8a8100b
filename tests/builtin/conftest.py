"""A web server on this host, for the tests of http.request."""

import base64
import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest


class Routes(BaseHTTPRequestHandler):
    """/echo tells what came; /answer?status=…&body=… answers so; /hop/3 redirects thrice; /endless goes on."""

    def answer(self):
        """Answer by the path."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length).decode()
        url = urlsplit(self.path)
        options = dict(parse_qsl(url.query, keep_blank_values=True))
        if url.path == "/endless":
            return self.drip()
        if url.path.startswith("/hop/"):
            left = int(url.path.removeprefix("/hop/"))
            return self.write(302 if left else 200, {"Location": f"/hop/{left - 1}"}, b"")
        if url.path == "/echo":
            seen = {"method": self.command, "headers": dict(self.headers), "body": body, "path": self.path}
            return self.write(200, {}, json.dumps(seen).encode())
        status = int(options.pop("status", 200))
        content = base64.b64decode(options.pop("body", ""))
        return self.write(status, options, content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names that http.server calls

    def write(self, status, headers, content):
        """Write a whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def drip(self):
        """Write interim answers until the client has had enough."""
        with suppress(OSError):
            while True:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.wfile.flush()
                time.sleep(0.02)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="session")
def port():
    """Serve `Routes` on this port of 127.0.0.1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Routes) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def allowed(monkeypatch):
    """Let the handler reach this host."""
    monkeypatch.setenv("TASKYARD_HTTP_ALLOW_PRIVATE", "true")
