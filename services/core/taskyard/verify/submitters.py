"""Clients that submit canaries and send each again, under its key, until it is answered."""

import math
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from taskyard.verify.canaries import Canary
from taskyard.verify.client import Client, NoAnswerError, RefusedError
from taskyard.verify.ledger import Ledger

T = TypeVar("T")


def insist(ask: Callable[[], T], ending: threading.Event, limit_s: float = math.inf) -> T | None:
    """Ask until there is an answer, and return it; None where the run ended, or `limit_s` was over, first.

    Raises:
        RefusedError: there never will be one.
    """
    deadline = time.monotonic() + limit_s
    while not ending.is_set() and time.monotonic() < deadline:
        try:
            return ask()
        except NoAnswerError as error:
            ending.wait(error.retry_after_s)
    return None


class Submitters:
    """`threads` clients that share `canaries`, each due `every_s` seconds after the one before."""

    def __init__(
        self,
        connect: Callable[[], Client],
        canaries: Iterable[Canary],
        ledger: Ledger,
        ending: threading.Event,
        *,
        every_s: float,
        threads: int = 8,
    ) -> None:
        self._connect = connect
        self._canaries = iter(enumerate(canaries))
        self._ledger = ledger
        self._ending = ending
        self._every_s = every_s
        self._lock = threading.Lock()
        self._began = 0.0
        self._threads = [threading.Thread(target=self._run, name=f"submitter {n}", daemon=True) for n in range(threads)]
        self.refusal: RefusedError | None = None

    def start(self) -> None:
        """Begin to submit."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def join(self, limit_s: float | None = None) -> bool:
        """Wait until all is submitted; return whether it is."""
        deadline = None if limit_s is None else time.monotonic() + limit_s
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        client = self._connect()
        try:
            while (following := self._next()) is not None and not self._ending.is_set():
                number, canary = following
                self._ending.wait(max(0.0, self._began + number * self._every_s - time.monotonic()))
                insist(partial(self._ledger.submit, client, canary), self._ending)
        except RefusedError as error:
            self.refusal = error
            self._ending.set()
        finally:
            client.close()

    def _next(self) -> tuple[int, Canary] | None:
        with self._lock:
            return next(self._canaries, None)
