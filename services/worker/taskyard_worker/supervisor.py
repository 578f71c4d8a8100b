"""The parent's watch over its children: leases, cancellations, time limits, memory, and what dead children leave.

One thread, one connection. What runs is read from the board, so a lease is renewed for what really runs and nothing
else. Children are killed even while the database is away; how their attempts ended is recorded when it is back.
"""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from taskyard.database import Session
from taskyard.errors import UnavailableError
from taskyard.handlers import Kind
from taskyard.health import Pulse
from taskyard.outcomes import Cancelled, ErrorReport, Failed, Outcome, decide
from taskyard.retry import RetryPolicy
from taskyard.statements import claims, finishing, kinds
from taskyard.statements.claims import Held
from taskyard.statements.finishing import Ending
from taskyard.states import Reason
from taskyard_worker.board import Board, Running
from taskyard_worker.journal import after_death
from taskyard_worker.limits import Limit
from taskyard_worker.metrics import WorkerMetrics
from taskyard_worker.run_times import RunTimes
from taskyard_worker.runner import CANCEL_SIGNAL
from taskyard_worker.settings import WorkerSettings

TICK_S: Final = 0.25
"""Seconds between two looks at the board: what a cancellation waits at most, and a time limit is late."""

_PROGRESS_S: Final = 1.0
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt whose child can no longer say how it ended."""

    held: Held
    outcome: Outcome


class Supervisor:
    """Watches the children of one worker."""

    def __init__(
        self,
        settings: WorkerSettings,
        handlers: Mapping[str, Kind],
        board: Board,
        session: Session,
        metrics: WorkerMetrics,
        *,
        run_times: RunTimes,
        roll: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._handlers = handlers
        self._board = board
        self._session = session
        self._metrics = metrics
        self._run_times = run_times
        self._roll = roll
        self._ended: deque[Ended] = deque()
        self._unbegun: deque[Sequence[Held]] = deque()
        self._asked: dict[Held, float] = {}
        self._killed: set[Held] = set()
        self._reported: dict[Held, int] = {}
        self._renew_at = 0.0
        self._report_at = 0.0

    def start(self, pulse: Pulse) -> None:
        """Start the watch; it ends with the process."""
        threading.Thread(target=self.run, args=(pulse,), name="supervisor", daemon=True).start()

    def lost(self, attempts: Sequence[Held], message: str) -> None:
        """Take note that the child that had the message of `attempts` died. From any thread; returns at once.

        What had ended there is recorded, what ran is lost, and what had not begun is given back.
        """
        left = self._board.journals.find(attempts[0])
        outcomes, unbegun = after_death(left, attempts, finishing.lost(message))
        self._ended.extend(Ended(held, outcome) for held, outcome in outcomes.items())
        if unbegun:
            self._unbegun.append(unbegun)

    def run(self, pulse: Pulse) -> None:
        """Watch for ever."""
        while True:
            pulse.beat()
            started = time.monotonic()
            try:
                self.tick(started)
            except UnavailableError as error:
                log.warning("supervision waits for the database", error=str(error))
                time.sleep(1.0)
            except Exception:
                log.exception("supervision failed; it goes on")
            time.sleep(max(0.0, started + TICK_S - time.monotonic()))

    def tick(self, now: float) -> None:
        """Look once. `now` is on the monotonic clock.

        Raises:
            UnavailableError: the database is away; what could be done without it is done.
        """
        running = self._board.running()
        self._metrics.capacity.slots_busy.set(len(running))
        self._enforce(running, now)
        self._forget({watched.held for watched in running})
        self._record_ended()
        self._give_back()
        self._note_run_times()
        if running:
            self._pass_on_cancellations(running, now)
            self._renew(running, now)
            self._report_progress(now)

    def _enforce(self, running: list[Running], now: float) -> None:
        """Kill the children that ignored an interruption for longer than the grace, or hold too much memory."""
        grace_s = self._settings.interrupt_grace_s
        for watched in running:
            asked_at = self._asked.get(watched.held)
            if watched.held in self._killed:
                continue
            if asked_at is not None and now > asked_at + grace_s:
                self._kill(watched, "cancelled", Cancelled())
            elif now > watched.deadline_s + grace_s:
                self._kill(watched, "timeout", _killed_late(watched.limit, grace_s))
            elif (
                self._settings.max_child_bytes
                and (size := _resident_bytes(watched.pid)) > self._settings.max_child_bytes
            ):
                message = f"killed at {size} bytes of memory; the limit is {self._settings.max_child_bytes}"
                self._kill(watched, "memory", finishing.lost(message))

    def _kill(self, watched: Running, cause: str, outcome: Outcome) -> None:
        log.warning("kills a child", pid=watched.pid, cause=cause, task_id=watched.held.task_id)
        self._killed.add(watched.held)
        self._metrics.killed.labels(cause).inc()
        with suppress(ProcessLookupError):
            os.kill(watched.pid, signal.SIGKILL)
        self._ended.append(Ended(watched.held, outcome))

    def _forget(self, held: set[Held]) -> None:
        """Keep no notes on attempts that are over."""
        self._asked = {key: at for key, at in self._asked.items() if key in held}
        self._reported = {key: version for key, version in self._reported.items() if key in held}
        self._killed &= held

    def _record_ended(self) -> None:
        """Record how attempts ended whose children cannot; those of an absent database stay for the next tick."""
        while self._ended:
            ended = self._ended[0]
            settings = self._settings
            task = self._session.run(claims.running, ended.held, settings.worker_name, settings.max_losses)
            if task is not None:
                outcome = Cancelled() if task.cancel_requested else ended.outcome
                policy = self._handlers[task.kind].retry if task.kind in self._handlers else RetryPolicy()
                move = decide(outcome, task.budget, policy, self._roll())
                status = self._session.run(finishing.finish, [Ending(ended.held, outcome, move)]).get(ended.held)
                self._metrics.attempts.count_unreported(task.kind, task.queue, move.reason or "unknown")
                log.warning("recorded for a dead child", task_id=ended.held.task_id, reason=move.reason, status=status)
            self._ended.popleft()

    def _give_back(self) -> None:
        """Give back what dead children had not begun; where that fails, the leases run out instead."""
        while self._unbegun:
            attempts = self._unbegun.popleft()
            count = self._session.run(claims.give_back, attempts, self._settings.worker_name)
            log.warning("given back for a dead child", count=count)

    def _note_run_times(self) -> None:
        """Tell the dispatchers how long kinds take, where that changed."""
        if news := self._run_times.news():
            self._session.run(kinds.note_run_times, news)

    def _pass_on_cancellations(self, running: list[Running], now: float) -> None:
        for held in self._session.run(claims.cancellations, [watched.held for watched in running]):
            self._interrupt(held, running, now)

    def _interrupt(self, held: Held, running: list[Running], now: float) -> None:
        if held in self._asked:
            return
        for watched in running:
            if watched.held == held:
                self._asked[held] = now
                self._board.slot(watched.slot).request_cancel(held)
                with suppress(ProcessLookupError):
                    os.kill(watched.pid, CANCEL_SIGNAL)

    def _renew(self, running: list[Running], now: float) -> None:
        """Extend the leases; an attempt that is no longer its task's own is interrupted, its work being in vain."""
        if now < self._renew_at:
            return
        self._renew_at = now + self._settings.lease_s / 3
        held = [watched.held for watched in running if watched.held not in self._killed]
        renewed = self._session.run(claims.renew, held, self._settings.lease_s)
        self._metrics.renewals.inc(len(renewed))
        still_running = {watched.held for watched in self._board.running()}
        for stale in set(held) - renewed:
            if stale in still_running:
                log.warning(
                    "an attempt lost its lease and is interrupted", task_id=stale.task_id, attempt=stale.attempt
                )
                self._interrupt(stale, running, now)

    def _report_progress(self, now: float) -> None:
        if now < self._report_at:
            return
        self._report_at = now + _PROGRESS_S
        for progress in self._board.progress():
            if self._reported.get(progress.held) != progress.version:
                self._reported[progress.held] = progress.version
                self._session.run(claims.report_progress, progress.held, progress.fraction, progress.note)


def _killed_late(limit: Limit, grace_s: float) -> Failed:
    message = f"ran longer than {limit}, did not end within {grace_s:g} s of being interrupted, and was killed"
    return Failed(Reason.TIMEOUT, ErrorReport("TaskTimedOut", message))


def _resident_bytes(pid: int) -> int:
    """Return the resident memory of a process; 0 where it is gone, or the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
