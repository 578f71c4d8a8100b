"""What a run with faults wrote down: its promises, which workers it killed when, and what became of each fault."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from taskyard.verify.facts import Kill, Recovery
from taskyard.verify.faults.plan import Fault
from taskyard.verify.ledger import Ledger

_NEEDED: Final = ("rabbitmq.", "postgresql.", "network.", "dispatcher.", "worker.stop", "child.stop")
"""Faults that take away what a recovery needs: servers, ways to them, the dispatcher, or the slots to go on in."""

_LINGERS_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that was injected, or why it was not; times are in seconds of the epoch."""

    fault: Fault
    whom: str
    skipped: str
    began_s: float
    ended_s: float


class Story:
    """The notes of one run. May be used from any thread."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._lock = threading.Lock()
        self._kills: list[Kill] = []
        self._injected: list[Injected] = []

    def killed(self, worker: str) -> None:
        """Write down that a worker, or a child of it, is killed now."""
        with self._lock:
            self._kills.append(Kill(worker, time.time()))

    def injected(self, injected: Injected) -> None:
        """Write down what became of a fault."""
        with self._lock:
            self._injected.append(injected)

    @property
    def kills(self) -> list[Kill]:
        """All kills."""
        with self._lock:
            return list(self._kills)

    def was_disturbed(self, recovery: Recovery) -> bool:
        """Whether something that a recovery needs was away meanwhile, by another fault."""
        with self._lock:
            return any(
                one.began_s < recovery.ended_s and recovery.began_s < one.ended_s + _LINGERS_S
                for one in self._injected
                if one.fault.sort.startswith(_NEEDED) and not one.skipped
            )

    @property
    def done(self) -> Mapping[str, int]:
        """How many faults of each sort were injected."""
        with self._lock:
            return Counter(one.fault.sort for one in self._injected if not one.skipped)

    @property
    def skipped(self) -> Mapping[str, int]:
        """Why faults were not injected, and how many for each reason."""
        with self._lock:
            return Counter(f"{one.fault.sort}: {one.skipped}" for one in self._injected if one.skipped)
