"""One message: claim all of it ▶ run one by one ▶ decide ▶ finish together. The path of all work, in a child."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Final, Protocol

import structlog

from taskyard.handlers import Kind
from taskyard.outcomes import ErrorReport, Failed, Outcome, Succeeded, decide
from taskyard.retry import RetryPolicy
from taskyard.statements.claims import Claim, Held
from taskyard.states import Reason, Status
from taskyard_worker.bundle import Bundle, Done
from taskyard_worker.journal import Journal
from taskyard_worker.overdue import Overdue
from taskyard_worker.reports import AttemptFailedError, Report

HOLD_S: Final = 0.5
"""Seconds that tasks wait behind others of their message at most: several times what a message should take."""

log = structlog.get_logger(__name__)


class Record(Protocol):
    """PostgreSQL, as the executor needs it. To be used by several threads."""

    def claim(self, attempts: Sequence[Held], queue: str) -> list[Claim]:
        """Take the tasks for their attempts; of missing ones there is nothing to do. Waits for the database."""
        ...

    def finish(self, done: Sequence[Done]) -> dict[Held, str]:
        """Record outcomes; return the tasks' statuses, without those that came too late. Waits for the database."""
        ...

    def give_back(self, attempts: Sequence[Held]) -> None:
        """Undo the claims of what has not begun, or leave that to their leases."""
        ...


class Executor:
    """Runs the attempts of one child. `roll` gives the dice for retry delays, in [0, 1)."""

    def __init__(
        self,
        record: Record,
        kinds: Mapping[str, Kind],
        run: Callable[[Kind, Claim], Outcome],
        journal: Journal,
        roll: Callable[[], float],
        max_losses: int,
    ) -> None:
        self._record = record
        self._kinds = kinds
        self._run_handler = run
        self._journal = journal
        self._roll = roll
        self._max_losses = max_losses
        self._overdue = Overdue(HOLD_S, self._stop_waiting)

    def execute(self, attempts: Sequence[Held], queue: str) -> str:
        """Do what the message asks for; returning or raising acknowledges it.

        Raises:
            AttemptFailedError: an attempt did not succeed; it is recorded all the same.
        """
        self._journal.open(attempts[0])
        bundle = Bundle(self._record.claim(attempts, queue), self._journal)
        with self._overdue.watching(bundle) if len(bundle.claims) > 1 else nullcontext():
            while (claim := bundle.next()) is not None:
                if not bundle.end(self._run(claim)):
                    self._settle(bundle)
        self._settle(bundle)
        self._journal.forget()
        text = "; ".join(map(str, bundle.reports)) or "nothing to do"
        if any(report.outcome not in ("succeeded", "cancelled") for report in bundle.reports):
            raise AttemptFailedError(text)
        return text

    def _run(self, claim: Claim) -> Done:
        kind = self._kinds.get(claim.kind)
        began_at = time.monotonic()
        outcome = self._run_handler(kind, claim) if kind else _unknown(claim.kind)
        ended_at = time.monotonic()
        move = decide(outcome, claim.budget(self._max_losses), kind.retry if kind else RetryPolicy(), self._roll())
        return Done(claim, outcome, move, began_at, ended_at)

    def _stop_waiting(self, bundle: Bundle) -> None:
        """Let nothing of the bundle wait any longer, while its handler runs on."""
        with bundle.recording:
            if given_up := bundle.give_up():
                log.info("a task takes long: those behind it in its message are given back", count=len(given_up))
                self._record.give_back(given_up)
            self._report(bundle)

    def _settle(self, bundle: Bundle) -> None:
        with bundle.recording:
            self._report(bundle)

    def _report(self, bundle: Bundle) -> None:
        """Record what is done. To be called by whoever holds `recording`."""
        if done := bundle.take_done():
            bundle.reports += self._finish(done)

    def _finish(self, done: Sequence[Done]) -> list[Report]:
        try:
            statuses = self._record.finish(done)
        except Exception as error:
            if len(done) > 1:  # whichever it was, the others shall not suffer
                return [report for one in done for report in self._finish([one])]
            # No outcome is worth the attempt's row: without it the task would run until its lease is over, and again.
            log.exception("the record refused an outcome", task_id=done[0].claim.held.task_id)
            done = [self._refused(done[0], error)]
            statuses = self._record.finish(done)
        reports = [_report(one, statuses.get(one.claim.held)) for one in done]
        _log(list(zip(done, reports, strict=True)))
        return reports

    def _refused(self, done: Done, error: Exception) -> Done:
        """Return what takes the place of an outcome that the record cannot hold."""
        outcome = _unrecordable(done.outcome, error)
        move = decide(outcome, done.claim.budget(self._max_losses), RetryPolicy(), self._roll())
        return replace(done, outcome=outcome, move=move)


def _report(done: Done, status: str | None) -> Report:
    outcome = done.move.reason or "succeeded"
    return Report(outcome, status or "unknown", done.claim.waited_s, done.ran_s, stale=status is None)


def _log(ended: Sequence[tuple[Done, Report]]) -> None:
    """Say how attempts ended: those that succeeded in one line, any other in one of its own."""
    good = [(done, report) for done, report in ended if report.outcome == "succeeded" and not report.stale]
    if len(good) > 1:
        log.info(
            "attempts succeeded",
            task_ids=[done.claim.held.task_id for done, _ in good],
            kind=good[0][0].claim.kind,
            ran_s=round(sum(report.ran_s for _, report in good), 6),
        )
    for done, report in ended:
        if len(good) == 1 or report.outcome != "succeeded" or report.stale:
            _log_one(done, report)


def _log_one(done: Done, report: Report) -> None:
    say = log.info if report.status in (Status.SUCCEEDED, Status.CANCELLED) and not report.stale else log.warning
    outcome = done.outcome
    say(
        "attempt ended too late, its outcome was dropped" if report.stale else "attempt ended",
        task_id=done.claim.held.task_id,
        attempt=done.claim.held.attempt,
        kind=done.claim.kind,
        outcome=report.outcome,
        status=report.status,
        ran_s=round(report.ran_s, 6),
        **({"error": f"{outcome.error.type}: {outcome.error.message}"} if isinstance(outcome, Failed) else {}),
    )


def _unknown(kind: str) -> Failed:
    """Name the outcome of a task whose message spoke of another kind than its own, which this worker does not know."""
    message = f"this worker does not know the kind {kind!r}: is its code up to date?"
    return Failed(Reason.UNKNOWN_KIND, ErrorReport("UnknownKind", message), permanent=True)


def _unrecordable(outcome: Outcome, error: Exception) -> Failed:
    """Name what takes the place of an outcome that the record cannot hold."""
    said = f" ({outcome.error.type}: {outcome.error.message})" if isinstance(outcome, Failed) else ""
    reason = Reason.INVALID_RESULT if isinstance(outcome, Succeeded) else Reason.ERROR
    message = f"the record cannot hold the outcome: {type(error).__name__}{said}"
    return Failed(reason, ErrorReport("OutcomeRefused", message[:2000]), permanent=True)
