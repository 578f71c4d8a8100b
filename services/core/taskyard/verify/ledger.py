"""What was promised: every task that was answered with 201, written down at once by who got the answer."""

import threading
import time

from taskyard.verify.canaries import Canary
from taskyard.verify.client import Client, NoAnswerError
from taskyard.verify.facts import Promise


class Ledger:
    """The promises of one run. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: dict[str, Promise] = {}
        self._by_id: dict[int, Promise] = {}
        self._contradictions: list[str] = []
        self._refusals = 0

    def promised(self, promise: Promise) -> None:
        """Write down that a request was answered with a task, be it for the first time or again."""
        with self._lock:
            first = self._by_key.setdefault(promise.key, promise)
            if first.task_id != promise.task_id:
                self._contradictions.append(f"key {promise.key} is task {first.task_id}, and task {promise.task_id}")
            owner = self._by_id.setdefault(promise.task_id, promise)
            if owner.key != promise.key:
                self._contradictions.append(f"task {promise.task_id} is of key {owner.key}, and of key {promise.key}")

    def submit(self, client: Client, canary: Canary) -> int:
        """Submit the canary, write down the answer at once, and return its task's id.

        Raises:
            NoAnswerError: there was none; that is counted, and it is to be sent again.
            RefusedError: there never will be one.
        """
        try:
            task_id = client.submit(canary)
        except NoAnswerError:
            with self._lock:
                self._refusals += 1
            raise
        self.promised(Promise(canary.key, task_id, canary.kind, time.time()))
        return task_id

    @property
    def promises(self) -> list[Promise]:
        """All promises, one a key."""
        with self._lock:
            return list(self._by_key.values())

    @property
    def contradictions(self) -> list[str]:
        """Answers that cannot both be true."""
        with self._lock:
            return list(self._contradictions)

    @property
    def refusals(self) -> int:
        """How many requests had to be sent again."""
        with self._lock:
            return self._refusals

    def __len__(self) -> int:
        with self._lock:
            return len(self._by_key)
