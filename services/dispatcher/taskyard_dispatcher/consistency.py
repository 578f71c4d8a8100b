"""Proves again and again, a little at a time, that the record is what it must be, and puts right what it safely can.

    pass ──▶ slice by slice of ids: one snapshot of tasks, ready and attempts ──▶ at its end one of the counters
    look ──▶ every few seconds: the heads of the lines of leases and of what is due, which must not stand still

A slice that finds something locks those tasks and looks again; what it then finds is recorded, and mended in the same
transaction. The check rests most of the time: nine times as long as it worked, and never does more than `rows_per_s`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg2
import structlog

from taskyard.database import Session
from taskyard.errors import UnavailableError
from taskyard.statements import consistency, dispatching, mending, passes
from taskyard.statements.consistency import Rule, Slice, Violation
from taskyard.statements.passes import Pass
from taskyard_dispatcher.metrics import DispatcherMetrics
from taskyard_dispatcher.recovery import Leases

GRACE_S: Final = 60.0
"""Seconds that a lease may be overdue, or a task be due without being queued, before that looks like a fault."""

LOOKS: Final = 6
"""In so many looks, one after the other, it must look like that. So a standstill of everything is none of one task."""

LOOK_S: Final = 5.0
"""Seconds between two looks."""

_HEADS: Final = 100
_SLICES_PER_S: Final = 5
_LARGEST_SLICE: Final = 5000
_SMALLEST_SLICE: Final = 100
_SLOW_S: Final = 0.25
_REST: Final = 9
_SAVE_S: Final = 5.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Pace:
    """How many rows the next slice may have, and how long to rest after one: bounded in rows, and in time."""

    rows_per_s: float
    rows: int = 0

    def __post_init__(self) -> None:
        self.rows = self._most

    @property
    def _most(self) -> int:
        return max(1, min(_LARGEST_SLICE, int(self.rows_per_s / _SLICES_PER_S)))

    def rest_s(self, rows: int, took_s: float) -> float:
        """Return the seconds to rest after `rows` that took `took_s`, and choose the size of the next slice by that."""
        if took_s > _SLOW_S:
            self.rows = max(min(_SMALLEST_SLICE, self._most), self.rows // 2)
        elif took_s < _SLOW_S / 4:
            self.rows = min(self._most, self.rows * 2)
        return max(_REST * took_s, rows / self.rows_per_s - took_s)


@dataclass(slots=True)
class _Running:
    """A pass on its way."""

    id: int
    began_at: float
    after: int = 0
    examined: int = 0
    violations: int = 0
    saved_at: float = 0.0


class Consistency:
    """Walks over the record in passes, each at least `pass_s` after the last one began, and looks at what stands still.

    For the replica that leads: two at once would do no harm, but count twice.
    """

    def __init__(
        self,
        session: Session,
        leases: Leases,
        metrics: DispatcherMetrics,
        *,
        rows_per_s: float,
        pass_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._leases = leases
        self._metrics = metrics
        self._pace = Pace(rows_per_s)
        self._pass_s = pass_s
        self._clock = clock
        self._running: _Running | None = None
        self._next_at = clock()
        self._seen: dict[Violation, int] = {}
        self._shown = False

    def walk(self) -> bool:
        """Take the next step of a pass, where its time has come; there is never more to do at once."""
        began = self._clock()
        if began < self._next_at:
            return False
        if self._running is None:
            self._running = self._begin(began)
        running = self._running
        within = self._session.run(consistency.slice_after, running.after, self._pace.rows)
        running.after = within.until or running.after
        running.examined += within.tasks
        self._metrics.consistency.shown.examined.inc(within.tasks)
        self._check(running, within)
        earliest = began
        if within.until is None:
            self._finish(running)
            earliest = running.began_at + self._pass_s
        elif running.saved_at + _SAVE_S < began:
            running.saved_at = began
            self._session.run(passes.save, running.id, running.examined, running.violations)
        now = self._clock()
        self._next_at = max(earliest, now + self._pace.rest_s(within.tasks, now - began))
        return False

    def look(self) -> bool:
        """Look whether a lease that ran out, or a task that is due, stands still; there is never more to do at once."""
        found = self._session.run(consistency.overdue, GRACE_S, _HEADS)
        self._seen = {violation: self._seen.get(violation, 0) + 1 for violation in found}
        for violation in [violation for violation, looks in self._seen.items() if looks >= LOOKS]:
            self._settle_overdue(violation)
        return False

    def forget(self) -> None:
        """Begin anew when this replica leads again: another one does so now."""
        self._running = None
        self._next_at = self._clock()
        self._seen.clear()
        self._shown = False

    def _begin(self, now: float) -> _Running:
        if not self._shown:
            self._shown = True
            self._show_last(self._session.run(passes.last_ended))
            self._show_standing()
        return _Running(self._session.run(passes.begin), now, saved_at=now)

    def _check(self, running: _Running, within: Slice) -> None:
        suspected = self._session.run(consistency.find, within)
        if not suspected:
            return
        task_ids = {violation.task_id for violation in suspected if violation.task_id is not None}
        confirmed: list[Violation] = []
        mended: set[Violation] = set()
        try:
            with self._session.transaction() as cursor:
                confirmed = consistency.confirm(cursor, task_ids)
                mended = mending.mend(cursor, confirmed)
                passes.record(cursor, confirmed, mended)
        except psycopg2.Error:
            log.exception("what is broken of the record could not be mended")
            mended = set()
            with self._session.transaction() as cursor:
                passes.record(cursor, confirmed, mended)
        running.violations += len(confirmed)
        self._tell(confirmed, mended)

    def _finish(self, running: _Running) -> None:
        counted = self._count(running)
        ended = self._session.run(passes.end, running.id, running.examined, running.violations, counted=counted)
        self._running = None
        self._show_last(ended)
        self._show_standing()
        log.debug("consistency pass ended", examined=running.examined, violations=running.violations)

    def _count(self, running: _Running) -> bool:
        """Compare the counters with a full count, and add what they lack; return whether that could be done."""
        try:
            first = self._session.run(consistency.drift)
            second = self._session.run(consistency.drift) if first else []
        except UnavailableError as error:
            if not self._session.is_open:
                raise
            log.warning("the counters were not compared with a full count", error=str(error))
            return False
        lacking = {(drift.queue, drift.status, drift.difference) for drift in first}
        drifted = [drift for drift in second if (drift.queue, drift.status, drift.difference) in lacking]
        found = [drift.violation for drift in drifted]
        if found:
            with self._session.transaction() as cursor:
                mending.add_up(cursor, drifted)
                passes.record(cursor, found, found)
            running.violations += len(found)
            self._tell(found, set(found))
        return True

    def _settle_overdue(self, violation: Violation) -> None:
        """Do for one task what the duty that is there for it did not do, and record that."""
        del self._seen[violation]
        task_ids = [violation.task_id] if violation.task_id is not None else []
        try:
            if violation.rule is Rule.LEASE_OVERDUE:
                mended = self._leases.end(task_ids) > 0
            else:
                mended = self._session.run(dispatching.promote, len(task_ids), task_ids) > 0
        except psycopg2.Error:
            log.exception("an overdue task could not be put right", rule=violation.rule, task_id=violation.task_id)
            mended = False
        right = {violation} if mended else set[Violation]()
        with self._session.transaction() as cursor:
            passes.record(cursor, [violation], right)
        if self._running is not None:
            self._running.violations += 1
        self._tell([violation], right)

    def _tell(self, found: list[Violation], mended: set[Violation]) -> None:
        metrics = self._metrics.consistency.shown
        for violation in found:
            metrics.violations.labels(violation.rule).inc()
            if violation in mended:
                metrics.mended.labels(violation.rule).inc()
            facts = {"rule": violation.rule.value, "task_id": violation.task_id, "queue": violation.queue}
            log.error("the record is broken", **facts, detail=violation.detail, mended=violation in mended)
        if found:
            self._show_standing()

    def _show_last(self, last: Pass | None) -> None:
        """Show the last full pass; where there was none yet, since when one is awaited."""
        metrics = self._metrics.consistency.shown
        if last is None or last.ended_at is None:
            metrics.last_pass.set_to_current_time()
            return
        metrics.last_pass.set(last.ended_at.timestamp())
        metrics.last_pass_duration.set((last.ended_at - last.started_at).total_seconds())

    def _show_standing(self) -> None:
        self._metrics.consistency.shown.standing.set(self._session.run(passes.standing))
