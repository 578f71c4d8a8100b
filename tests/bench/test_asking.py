"""One request after the other, against a server of the test's own."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from bench.asking import one_after_another
from bench.load import Request

LONG = 200_000


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.path.encode() * (LONG if self.path == "/long" else 1)
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def port(serving) -> Iterator[int]:
    with serving(Answering) as port:
        yield port


def test_each_request_has_its_answer_and_its_time(port):
    answers = one_after_another([Request.get(port, path) for path in ("/1", "/long", "/2")])
    assert [body for _, body in answers] == [b"/1", b"/long" * LONG, b"/2"]
    assert all(took_s > 0 for took_s, _ in answers)


def test_an_unexpected_answer_is_an_error(port):
    with pytest.raises(RuntimeError, match=r"HTTP/1\.1 404"):
        one_after_another([Request.get(port, "/missing")])


def test_nothing_is_asked_of_nobody():
    assert one_after_another([]) == []
