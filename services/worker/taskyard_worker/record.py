"""PostgreSQL as a child uses it: a claim and a finish that wait for it to come back, holding the message meanwhile."""

from collections.abc import Callable
from typing import TypeVar

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from taskyard.database import Session
from taskyard.errors import UnavailableError
from taskyard.outcomes import Move, Outcome
from taskyard.statements import claims
from taskyard.statements.claims import Claim, Held

T = TypeVar("T")

log = structlog.get_logger(__name__)


class WaitingRecord:
    """The record, for one child. Nothing it does fails because the database is away; it only takes longer."""

    def __init__(self, session: Session, worker: str, lease_s: float) -> None:
        self._session = session
        self._worker = worker
        self._lease_s = lease_s

    def claim(self, held: Held, queue: str) -> Claim | None:
        """Take the task for the attempt; None where there is nothing to do.

        A claim whose answer was lost with the connection is not repeated as ours: its lease runs out instead.
        """
        return self._patiently(lambda: self._session.run(claims.claim, held, queue, self._worker, self._lease_s))

    def finish(self, held: Held, outcome: Outcome, move: Move) -> str | None:
        """Record the outcome; return the task's status, None where it came too late.

        Safe to repeat: had the first try taken effect after all, the second finds the attempt ended.
        """
        return self._patiently(lambda: self._session.run(claims.finish, held, outcome, move))

    def _patiently(self, act: Callable[[], T]) -> T:
        return Retrying(
            retry=retry_if_exception_type(UnavailableError),
            wait=wait_random_exponential(multiplier=0.1, max=3),
            before_sleep=_say,
        )(act)


def _say(state: RetryCallState) -> None:
    log.warning(
        "waits for the database", error=str(state.outcome and state.outcome.exception()), tries=state.attempt_number
    )
