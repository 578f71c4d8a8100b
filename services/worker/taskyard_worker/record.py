"""PostgreSQL as a child uses it: a claim and a finish that wait for it to come back, holding the message meanwhile."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from taskyard.database import Session
from taskyard.errors import UnavailableError
from taskyard.statements import claims, finishing
from taskyard.statements.claims import Claim, Held
from taskyard.statements.finishing import Ending
from taskyard_worker.bundle import Done

T = TypeVar("T")

log = structlog.get_logger(__name__)


class WaitingRecord:
    """The record, for the threads of one child. What must be done waits for a database that is away."""

    def __init__(self, session: Session, worker: str, lease_s: float) -> None:
        self._session = session
        self._worker = worker
        self._lease_s = lease_s
        self._using = threading.Lock()

    def claim(self, attempts: Sequence[Held], queue: str) -> list[Claim]:
        """Take the tasks for `attempts`; of those that are missing there is nothing to do.

        A claim whose answer was lost with the connection is not repeated as ours: its lease runs out instead.
        """
        return self._patiently(lambda: self._session.run(claims.claim, attempts, queue, self._worker, self._lease_s))

    def finish(self, done: Sequence[Done]) -> dict[Held, str]:
        """Record the outcomes; return the tasks' statuses, without those whose outcome came too late.

        Safe to repeat: had the first try taken effect after all, the second finds the attempts ended.
        """
        return self._patiently(lambda: self._session.run(finishing.finish, _endings(done, time.monotonic())))

    def give_back(self, attempts: Sequence[Held]) -> None:
        """Undo the claims of `attempts`, which have not begun and never will here; their leases end what fails."""
        try:
            with self._using:
                self._session.run(claims.give_back, attempts, self._worker)
        except UnavailableError as error:
            log.warning("tasks were not given back: their leases run out", error=str(error), count=len(attempts))

    def _patiently(self, act: Callable[[], T]) -> T:
        with self._using:
            try:
                return act()
            except UnavailableError as error:
                log.warning("waits for the database", error=str(error), tries=1)
            return Retrying(
                retry=retry_if_exception_type(UnavailableError),
                wait=wait_random_exponential(multiplier=0.1, max=3),
                before_sleep=_say,
            )(act)


def _endings(done: Sequence[Done], now: float) -> list[Ending]:
    return [
        Ending(one.claim.held, one.outcome, one.move, began_ago_s=now - one.began_at, ended_ago_s=now - one.ended_at)
        for one in done
    ]


def _say(state: RetryCallState) -> None:
    log.warning(
        "waits for the database", error=str(state.outcome and state.outcome.exception()), tries=1 + state.attempt_number
    )
