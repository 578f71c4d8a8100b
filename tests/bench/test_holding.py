"""Connections that are held, against a server of the test's own."""

import resource
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import holding
from bench.load import Request
from waiting import eventually

LIMIT_S = 30.0


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/later":
            self.server.later.wait(LIMIT_S)
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        self.close_connection = self.path == "/last"

    def log_message(self, *args):
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as made:
        made.later = threading.Event()
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield made
        made.later.set()
        made.shutdown()
        thread.join()


def request(server, path) -> Request:
    return Request.get(server.server_port, path)


def test_idle_connections_have_had_their_answers_and_stay(server):
    with holding.idle(request(server, "/"), 250) as connections:
        assert len(connections) == 250
        assert holding.heard_of(connections) == 0


def test_a_connection_that_the_server_ended_is_seen(server):
    with holding.idle(request(server, "/last"), 3) as connections:
        eventually(lambda: holding.heard_of(connections) == 3, "all are ended")


def test_who_waits_is_answered_when_the_server_says_so(server):
    requests = [request(server, "/later")] * 3
    with holding.waiting(requests) as connections:
        assert holding.heard_of(connections) == 0
        server.later.set()
        times = holding.answers(requests, connections, LIMIT_S)
    assert len(times) == 3


@pytest.mark.parametrize(
    ("path", "limit_s", "words"),
    [("/broken", LIMIT_S, "unexpected answer"), ("/later", 0.05, "1 of 1 answers did not come")],
)
def test_an_answer_that_is_none_is_an_error(server, path, limit_s, words):
    asked = [request(server, path)]
    with holding.waiting(asked) as connections, pytest.raises(RuntimeError, match=words):
        holding.answers(asked, connections, limit_s)


def test_files_are_allowed_for_a_while():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with holding.files_for(600):
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 600
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_more_files_than_may_be_are_an_error(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    with pytest.raises(RuntimeError, match="`ulimit -Hn` is 4096"), holding.files_for(4096):
        pass
