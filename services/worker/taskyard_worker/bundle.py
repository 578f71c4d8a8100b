"""What a child has of one message: the tasks that it claimed together, and those of them that are done.

    waiting ──next──▶ running ──end──▶ done ──▶ recorded, all at once
       │                                │
       └── overdue: given back          └── overdue: recorded, without waiting for what runs

Shared by the thread that runs handlers and the one that looks after bundles that take long.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from taskyard.outcomes import Move, Outcome
from taskyard.statements.claims import Claim, Held
from taskyard_worker.journal import Journal
from taskyard_worker.reports import Report


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt whose handler ended; `began_at` and `ended_at` are on the monotonic clock."""

    claim: Claim
    outcome: Outcome
    move: Move
    began_at: float
    ended_at: float

    @property
    def ran_s(self) -> float:
        """How long the handler took."""
        return self.ended_at - self.began_at


@dataclass(slots=True)
class Bundle:
    """The claimed tasks of a message. Whoever records what is done holds `recording`, and adds to `reports`."""

    claims: Sequence[Claim]
    journal: Journal
    reports: list[Report] = field(default_factory=list)
    recording: threading.Lock = field(default_factory=threading.Lock)
    _changing: threading.Lock = field(default_factory=threading.Lock)
    _waiting: deque[Claim] = field(init=False)
    _done: list[Done] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting = deque(self.claims)

    def next(self) -> Claim | None:
        """Begin the next task, and return it; None where none waits any more."""
        with self._changing:
            claim = self._waiting.popleft() if self._waiting else None
            if claim is not None:
                self.journal.begin(claim.held)
            return claim

    def end(self, done: Done) -> bool:
        """Take note of what is done; return whether the rest may come before it is recorded."""
        with self._changing:
            self._done.append(done)
            return bool(self._waiting) and self.journal.end(done.claim.held, done.outcome)

    def give_up(self) -> list[Held]:
        """Return what waits, for somebody else; none of it begins here any more."""
        with self._changing:
            given_up = [claim.held for claim in self._waiting]
            self._waiting.clear()
            self.journal.close()
            return given_up

    def take_done(self) -> list[Done]:
        """Return what is done and not recorded yet; it is the caller's to record."""
        with self._changing:
            done, self._done = self._done, []
            return done
