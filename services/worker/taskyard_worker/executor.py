"""One message: for each of its attempts, claim ▶ run ▶ decide ▶ finish. The path of all work, in a child."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from taskyard.handlers import Kind
from taskyard.outcomes import ErrorReport, Failed, Move, Outcome, Succeeded, decide
from taskyard.retry import RetryPolicy
from taskyard.statements.claims import Claim, Held
from taskyard.states import Reason, Status
from taskyard_worker.reports import AttemptFailedError, Report

log = structlog.get_logger(__name__)


class Record(Protocol):
    """PostgreSQL, as the executor needs it: it waits out any absence."""

    def claim(self, held: Held, queue: str) -> Claim | None:
        """Take the task for the attempt; None where there is nothing to do."""
        ...

    def finish(self, held: Held, outcome: Outcome, move: Move) -> str | None:
        """Record the outcome; return the task's status, None where it came too late."""
        ...


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs the attempts of one child. `roll` gives the dice for retry delays, in [0, 1)."""

    record: Record
    kinds: Mapping[str, Kind]
    run: Callable[[Kind, Claim], Outcome]
    roll: Callable[[], float]
    max_losses: int

    def execute(self, attempts: Sequence[Held], queue: str) -> str:
        """Do what the message asks for; returning or raising acknowledges it.

        Raises:
            AttemptFailedError: an attempt did not succeed; it is recorded all the same.
        """
        reports = [report for held in attempts if (report := self._execute(held, queue)) is not None]
        text = "; ".join(str(report) for report in reports) or "nothing to do"
        if any(report.outcome not in ("succeeded", "cancelled") for report in reports):
            raise AttemptFailedError(text)
        return text

    def _execute(self, held: Held, queue: str) -> Report | None:
        claim = self.record.claim(held, queue)
        if claim is None:  # a duplicate, or cancelled, edited or paused while it waited
            return None
        kind = self.kinds.get(claim.kind)
        started = time.monotonic()
        outcome = self.run(kind, claim) if kind else _unknown(claim.kind)
        ran_s = time.monotonic() - started
        policy = kind.retry if kind else RetryPolicy()
        try:
            move, status = self._finish(claim, outcome, policy)
        except Exception as error:
            # No outcome is worth the attempt's row: without it the task would run until its lease is over, and again.
            log.exception("the record refused an outcome", task_id=held.task_id, attempt=held.attempt)
            outcome = _refused(outcome, error)
            move, status = self._finish(claim, outcome, policy)
        report = Report(move.reason or "succeeded", status or "unknown", claim.waited_s, ran_s, stale=status is None)
        self._log(claim, outcome, report)
        return report

    def _finish(self, claim: Claim, outcome: Outcome, policy: RetryPolicy) -> tuple[Move, str | None]:
        move = decide(outcome, claim.budget(self.max_losses), policy, self.roll())
        return move, self.record.finish(claim.held, outcome, move)

    def _log(self, claim: Claim, outcome: Outcome, report: Report) -> None:
        say = log.info if report.status in (Status.SUCCEEDED, Status.CANCELLED) and not report.stale else log.warning
        say(
            "attempt ended too late, its outcome was dropped" if report.stale else "attempt ended",
            task_id=claim.held.task_id,
            attempt=claim.held.attempt,
            kind=claim.kind,
            outcome=report.outcome,
            status=report.status,
            ran_s=round(report.ran_s, 6),
            **({"error": f"{outcome.error.type}: {outcome.error.message}"} if isinstance(outcome, Failed) else {}),
        )


def _unknown(kind: str) -> Failed:
    """Name the outcome of a task whose message spoke of another kind than its own, which this worker does not know."""
    message = f"this worker does not know the kind {kind!r}: is its code up to date?"
    return Failed(Reason.UNKNOWN_KIND, ErrorReport("UnknownKind", message), permanent=True)


def _refused(outcome: Outcome, error: Exception) -> Failed:
    """Name what takes the place of an outcome that the record cannot hold."""
    said = f" ({outcome.error.type}: {outcome.error.message})" if isinstance(outcome, Failed) else ""
    reason = Reason.INVALID_RESULT if isinstance(outcome, Succeeded) else Reason.ERROR
    message = f"the record cannot hold the outcome: {type(error).__name__}{said}"
    return Failed(reason, ErrorReport("OutcomeRefused", message[:2000]), permanent=True)
