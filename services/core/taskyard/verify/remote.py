"""`taskyard verify --url`: canaries through somebody's own installation, which nothing is done to but that."""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from taskyard.errors import TaskyardError
from taskyard.verify import report
from taskyard.verify.canaries import canaries
from taskyard.verify.client import Client
from taskyard.verify.facts import Promise, TaskSeen
from taskyard.verify.ledger import Ledger
from taskyard.verify.submitters import Submitters, insist
from taskyard.verify.verdict import judge

_THREADS: Final = 8
_POLL_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. `wait_s` is how long all canaries may take to end, after the last was submitted."""

    url: str
    key: str | None
    tasks: int
    seed: int
    rate_per_s: float
    longest_s: float
    wait_s: float


def run(order: Order, say: Callable[[str], None]) -> int:
    """Do it, and say how it went; return 0 where every promise was kept, 1 where not, 2 where it could not be tried."""
    began = time.monotonic()
    name = f"verify-{uuid.uuid4().hex[:8]}"
    ledger, ending = Ledger(), threading.Event()
    connect = partial(Client, order.url, order.key)
    say(f"seed {order.seed}: {order.tasks:,} canaries to {order.url}, tagged {name}")
    made = canaries(name, order.seed, order.tasks, order.longest_s)
    submitters = Submitters(connect, made, ledger, ending, every_s=1 / order.rate_per_s, threads=_THREADS)
    submitters.start()
    try:
        submitters.join()
        if submitters.refusal:
            raise submitters.refusal
        say(f"all are taken after {time.monotonic() - began:.1f} s; waiting for their ends")
        seen = _follow(connect, ledger.promises, order.wait_s)
    except TaskyardError as error:
        say(f"taskyard verify: {error}")
        return 2
    verdict = judge(ledger.promises, seen, ledger.contradictions)
    took_s = time.monotonic() - began
    for line in report.lines(verdict, seed=order.seed, took_s=took_s, sent_again=ledger.refusals):
        say(line)
    for line in report.ending(verdict):
        say(line)
    return 0 if verdict.is_good else 1


def _follow(connect: Callable[[], Client], promises: list[Promise], wait_s: float) -> list[TaskSeen]:
    """Return each task as it is at its end, or as it is when `wait_s` are over; those that are not there are left out.

    Raises:
        RefusedError: the key may not read tasks.
    """
    deadline = time.monotonic() + wait_s
    client, never = connect(), threading.Event()

    def follow(promise: Promise) -> TaskSeen | None:
        while True:
            left_s = deadline - time.monotonic()
            look = partial(client.task, promise.task_id, max(0.0, min(_POLL_S, left_s)))
            seen = insist(look, never, max(_POLL_S, left_s))
            if seen is None or seen.is_final or left_s <= 0:
                return seen

    try:
        with ThreadPoolExecutor(_THREADS) as threads:
            return [seen for seen in threads.map(follow, promises) if seen is not None]
    finally:
        client.close()
