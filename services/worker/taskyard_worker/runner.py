"""Running one handler in a child: payload in, outcome out, and the two signals that may end it early.

The parent sends SIGUSR2 when the task is cancelled; a timer of the child's own, SIGALRM, marks the time limit. Either
raises inside the attempt, once, and only while a user's code runs: the check of the payload, the handler, the writing
of the result; never in the claim before it or the finish after.
"""

import asyncio
import inspect
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any, Final

import orjson
import structlog

from taskyard import logs
from taskyard.context import Context, Interrupted, TaskCancelled, TaskTimedOut
from taskyard.handlers import Kind
from taskyard.outcomes import Outcome, Succeeded
from taskyard.redaction import NO_SECRETS, Secrets
from taskyard.results import to_text
from taskyard.statements.claims import Claim
from taskyard.states import Reason
from taskyard_worker.board import Slot
from taskyard_worker.endings import ended_by
from taskyard_worker.limits import Limit, limit

CANCEL_SIGNAL: Final = signal.SIGUSR2


class Runner:
    """Runs handlers in the main thread of one child, none for longer than `max_task_s`; 0: as long as its task says."""

    def __init__(self, slot: Slot, max_task_s: float = 0.0) -> None:
        self._slot = slot
        self._max_task_s = max_task_s
        self._claim: Claim | None = None
        self._armed = False
        self._interrupted: type[Interrupted] | None = None
        self._cancel_coroutine: Callable[[type[Interrupted]], None] | None = None

    def install(self) -> None:
        """Take over the two signals. To be called once in the child, in its main thread."""
        signal.signal(CANCEL_SIGNAL, self._on_cancel)
        signal.signal(signal.SIGALRM, self._on_alarm)

    def run(self, kind: Kind, claim: Claim) -> Outcome:
        """Run the handler of `kind` on what was claimed, and name how it ended. Raises nothing.

        What the payload has that is secret stands neither in the outcome's error nor in what is logged meanwhile.
        """
        secrets = kind.redaction.secrets(claim.payload)
        with logs.hiding(secrets) if secrets is not NO_SECRETS else nullcontext():
            return self._run(kind, claim, secrets)

    def _run(self, kind: Kind, claim: Claim, secrets: Secrets) -> Outcome:
        within = limit(claim.timeout_s, self._max_task_s)
        self._slot.begin(claim.held, within)
        try:
            return self._outcome(kind, claim, within, secrets)
        finally:
            self._slot.end()

    def _outcome(self, kind: Kind, claim: Claim, within: Limit, secrets: Secrets) -> Outcome:
        """Check, run and write: all of it a user's code, and so within the time limit."""
        blame = Reason.INVALID_PAYLOAD
        pid = os.getpid()
        try:
            try:
                self._arm(claim, within.seconds)
                arguments = () if kind.payload is None else (kind.payload.validate_json(orjson.dumps(claim.payload)),)
                blame = Reason.ERROR
                returned = self._call(kind, claim, arguments, within.seconds, secrets)
                blame, self._interrupted = Reason.INVALID_RESULT, None
                return Succeeded(to_text(returned))
            finally:
                if os.getpid() != pid:
                    # A process that the handler forked came back with it. It has this child's connections, on which
                    # each would get what is meant for the other: the answer to a claim, or a message.
                    os._exit(0)
                self._disarm()
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises ends its attempt, not the child
            # What pydantic calls is wrapped in an error of its own, an interruption too.
            interrupted = self._interrupted() if self._interrupted and blame is not Reason.ERROR else None
            return ended_by(interrupted or error, blame, within, secrets)

    def _call(self, kind: Kind, claim: Claim, arguments: tuple[Any, ...], limit_s: float, secrets: Secrets) -> Any:
        returned = kind.handler(self._context(kind, claim, limit_s, secrets), *arguments)
        return asyncio.run(self._await(returned)) if inspect.isawaitable(returned) else returned

    def _arm(self, claim: Claim, limit_s: float) -> None:
        self._claim = claim
        self._interrupted = None
        self._armed = True
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        if self._slot.is_cancelled(claim.held):  # asked before the handler began
            self._interrupt(TaskCancelled)

    def _disarm(self) -> None:
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._claim = None

    def _on_cancel(self, _number: int, _frame: FrameType | None) -> None:
        if self._claim is not None and self._slot.is_cancelled(self._claim.held):
            self._interrupt(TaskCancelled)

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupt(TaskTimedOut)

    def _interrupt(self, how: type[Interrupted]) -> None:
        if not self._armed:
            return
        self._armed = False
        self._interrupted = how
        if self._cancel_coroutine is not None:
            self._cancel_coroutine(how)
            return
        raise how

    async def _await(self, returned: Awaitable[Any]) -> Any:
        """Await a handler's coroutine such that an interruption cancels it, rather than tearing its event loop."""
        running = asyncio.ensure_future(returned)
        loop = asyncio.get_running_loop()
        interrupted: list[type[Interrupted]] = []

        def cancel(how: type[Interrupted]) -> None:
            interrupted.append(how)
            loop.call_soon_threadsafe(running.cancel)

        self._cancel_coroutine = cancel
        try:
            return await running
        except asyncio.CancelledError:
            if interrupted:
                raise interrupted[0] from None
            raise
        finally:
            self._cancel_coroutine = None

    def _context(self, kind: Kind, claim: Claim, limit_s: float, secrets: Secrets) -> Context:
        held = claim.held
        return Context(
            id=held.task_id,
            kind=kind.name,
            attempt=held.attempt,
            idempotency_key=f"task-{held.task_id}-{int(claim.created_at.timestamp() * 1000):x}",
            deadline=datetime.now(UTC) + timedelta(seconds=limit_s),
            name=claim.name,
            tags=claim.tags,
            log=structlog.get_logger("taskyard.handler", task_id=held.task_id, kind=kind.name, attempt=held.attempt),
            report=lambda fraction, note: self._slot.report(fraction, secrets.scrub(note)),
            is_cancelled=lambda: self._slot.is_cancelled(held),
        )
