"""The programs of `bench.rivals` as systems."""

import subprocess
import sys
import time
from collections.abc import Sequence

import amqp

from bench.systems.place import BIN, STARTING_S, Place, Recorded, System
from taskyard.local.processes import Command

_POLL_S = 0.05
_FILL_S = 600


def _module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"bench.rivals.{name}", *arguments]


def _run(place: Place, words: list[str]) -> str:
    """Run a command of a rival to its end; return what it said."""
    done = subprocess.run(words, env=place.environment, capture_output=True, text=True, timeout=_FILL_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
    return done.stdout


def _celery(place: Place, app: str) -> Command:
    words = ["-A", app, "worker", "--concurrency", "2", "--loglevel", "WARNING"]
    return place.command("worker", [BIN / "celery", *words])


class Empty(System):
    """A FastAPI POST that does nothing."""

    name = "empty"
    title = "empty POST"

    def front(self, place: Place) -> Sequence[Command]:
        """Return its API."""
        return [place.command("api", _module("empty", str(place.port)), ready=place.answers)]


class Handwritten(Recorded):
    """The hand-written pattern, acknowledging `early` or `late`."""

    def __init__(self, ack: str) -> None:
        self.name = f"handwritten-{ack}"
        self.title = f"by hand, {ack} ack"
        self.environment = {"HANDWRITTEN_ACK": ack}

    def front(self, place: Place) -> Sequence[Command]:
        """Return its API."""
        return [place.command("api", _module("handwritten", "serve", str(place.port)), ready=place.answers)]

    def worker(self, place: Place) -> Command:
        """Return its Celery worker."""
        return _celery(place, "bench.rivals.handwritten:celery")

    def fill(self, place: Place, count: int) -> None:
        """Insert rows by one statement, and publish one by one: what its API would do, but faster."""
        _run(place, _module("handwritten", "fill", str(count)))

    def clear(self, place: Place) -> None:
        """Empty the table and the queue."""
        place.value("WITH gone AS (DELETE FROM tasks) SELECT 1")
        place.servers.purge(self.name)


class RawCelery(System):
    """Celery without a record, acknowledging `early` or `late`.

    How far it is can only be seen by what waits in its queue.
    """

    def __init__(self, ack: str) -> None:
        self.name = "raw" if ack == "early" else f"raw-{ack}"
        self.title = "raw Celery" if ack == "early" else f"raw, {ack} ack"
        self.environment = {"RAW_ACK": ack}

    def front(self, place: Place) -> Sequence[Command]:  # noqa: ARG002 - it has none
        """Return nothing: whoever publishes talks to RabbitMQ."""
        return []

    def worker(self, place: Place) -> Command:
        """Return its Celery worker."""
        return _celery(place, "bench.rivals.raw_celery")

    def publish(self, place: Place, count: int) -> float:
        """Publish so many; return how many a second."""
        return float(_run(place, _module("raw_celery", str(count))))

    def fill(self, place: Place, count: int) -> None:
        """Publish them."""
        self.publish(place, count)

    def clear(self, place: Place) -> None:
        """Empty the queue."""
        place.servers.purge(self.name)

    def drain(self, place: Place, count: int, limit_s: float) -> float:
        """Count by the queue, from when the worker takes the first until it has taken the last."""
        with amqp.Connection(f"127.0.0.1:{place.servers.rabbitmq.port}", "guest", "guest") as connection:
            channel = connection.channel()

            def waiting() -> int:
                return int(channel.queue_declare(self.name, passive=True).message_count)

            deadline = time.monotonic() + STARTING_S
            while (left := waiting()) >= count and time.monotonic() < deadline:
                time.sleep(_POLL_S)
            first, began = left, time.monotonic()
            deadline = began + limit_s
            while (left := waiting()) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
            if first == left:
                raise RuntimeError(f"raw Celery did nothing within {limit_s:.0f} s")
            return (first - left) / (time.monotonic() - began)
