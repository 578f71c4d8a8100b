"""The generator of load, against a server of the test's own."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest

from bench import load


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pause_s: ClassVar[float] = 0.0
    paused: ClassVar[threading.Event] = threading.Event()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.paused.wait(self.pause_s)
        self.send_response(503 if self.path == "/busy" else 201)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


@pytest.fixture
def port(serving) -> Iterator[int]:
    with serving(Answering) as port:
        yield port


def test_a_closed_loop_counts_every_answer(port):
    measured = load.closed(load.Request.post(port, "/", b"{}"), 4, 0.2)
    assert len(measured.latencies_s) >= 4
    assert list(measured.latencies_s) == sorted(measured.latencies_s)


def test_a_schedule_is_kept_whatever_the_server_does(port, monkeypatch):
    """One connection and 50 ms an answer: of what is due each 10 ms, the tenth waits for nine others first."""
    monkeypatch.setattr(Answering, "pause_s", 0.05)
    measured = load.paced(load.Request.post(port, "/", b"{}"), 1, per_s=100, seconds=0.1)
    assert len(measured.latencies_s) == 10
    assert measured.latencies_s[0] >= 0.05
    assert measured.latencies_s[-1] >= 10 * 0.05 - 0.09


def test_a_schedule_ends_at_its_limit(port, monkeypatch):
    monkeypatch.setattr(Answering, "pause_s", 0.05)
    measured = load.paced(load.Request.post(port, "/", b"{}"), 1, per_s=1000, seconds=1.0, limit_s=0.3)
    assert len(measured.latencies_s) <= 6


def test_an_unexpected_answer_is_an_error(port):
    with pytest.raises(RuntimeError, match=r"HTTP/1\.1 503"):
        load.closed(load.Request.post(port, "/busy", b"{}"), 1, 0.1)


def test_one_by_one_gives_bodies_and_times(port):
    answers = load.one_by_one(load.Request.post(port, "/", b"{}"), 3)
    assert [body for _, body in answers] == [b"ok"] * 3
    assert [at for at, _ in answers] == sorted(at for at, _ in answers)


def test_quantiles_are_of_all_answers():
    measured = load.Measured(1.0, [number / 1000 for number in range(1, 101)])
    assert (measured.quantile_ms(0.5), measured.quantile_ms(0.99), measured.quantile_ms(1.0)) == (51.0, 100.0, 100.0)
