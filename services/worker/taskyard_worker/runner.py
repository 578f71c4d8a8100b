"""Running one handler in a child: payload in, outcome out, and the two signals that may end it early.

The parent sends SIGUSR2 when the task is cancelled; a timer of the child's own, SIGALRM, marks the time limit. Either
raises inside the handler, once, and only while the handler runs: never in the claim before it or the finish after.
"""

import asyncio
import inspect
import os
import signal
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any, Final

import orjson
import structlog
from pydantic import ValidationError

from taskyard import logs
from taskyard.context import Context, Discard, Interrupted, Retry, TaskCancelled, TaskTimedOut
from taskyard.documents import storable
from taskyard.errors import InvalidError
from taskyard.handlers import Kind
from taskyard.outcomes import Cancelled, ErrorReport, Failed, Outcome, Succeeded
from taskyard.redaction import Secrets
from taskyard.results import to_text
from taskyard.statements.claims import Claim
from taskyard.states import Reason
from taskyard_worker.board import Slot
from taskyard_worker.limits import Limit, limit

CANCEL_SIGNAL: Final = signal.SIGUSR2
_MESSAGE_CHARS: Final = 2000
_TRACEBACK_CHARS: Final = 20_000


class Runner:
    """Runs handlers in the main thread of one child, none for longer than `max_task_s`; 0: as long as its task says."""

    def __init__(self, slot: Slot, max_task_s: float = 0.0) -> None:
        self._slot = slot
        self._max_task_s = max_task_s
        self._claim: Claim | None = None
        self._armed = False
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
        with logs.hiding(secrets):
            return self._run(kind, claim, secrets)

    def _run(self, kind: Kind, claim: Claim, secrets: Secrets) -> Outcome:
        try:
            arguments = () if kind.payload is None else (kind.payload.validate_json(orjson.dumps(claim.payload)),)
        except ValidationError as error:
            return Failed(
                Reason.INVALID_PAYLOAD, ErrorReport("ValidationError", _broken_rules(error, secrets)), permanent=True
            )
        except Exception as error:  # noqa: BLE001 - a user's validator may raise anything
            return Failed(Reason.INVALID_PAYLOAD, _report(error, secrets), permanent=True)
        within = limit(claim.timeout_s, self._max_task_s)
        self._slot.begin(claim.held, within)
        try:
            return self._outcome(kind, claim, arguments, within, secrets)
        finally:
            self._slot.end()

    def _outcome(
        self, kind: Kind, claim: Claim, arguments: tuple[Any, ...], within: Limit, secrets: Secrets
    ) -> Outcome:
        try:
            returned = self._call(kind, claim, arguments, within.seconds, secrets)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises ends its attempt, not the child
            return _ended_by(error, within, secrets)
        try:
            return Succeeded(to_text(returned))
        except InvalidError as error:
            return Failed(
                Reason.INVALID_RESULT, ErrorReport("InvalidResult", _clip(str(error), secrets)), permanent=True
            )
        except Exception as error:  # noqa: BLE001 - a user's serializer may raise anything
            return Failed(Reason.INVALID_RESULT, _report(error, secrets), permanent=True)

    def _call(self, kind: Kind, claim: Claim, arguments: tuple[Any, ...], limit_s: float, secrets: Secrets) -> Any:
        context = self._context(kind, claim, limit_s, secrets)
        pid = os.getpid()
        try:
            self._arm(claim, limit_s)
            returned = kind.handler(context, *arguments)
            return asyncio.run(self._await(returned)) if inspect.isawaitable(returned) else returned
        finally:
            if os.getpid() != pid:
                # A process that the handler forked came back with it. It has this child's connections, on which each
                # would get what is meant for the other: the answer to a claim, or a message.
                os._exit(0)
            self._disarm()

    def _arm(self, claim: Claim, limit_s: float) -> None:
        self._claim = claim
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
            log=structlog.get_logger("taskyard.handler").bind(
                task_id=held.task_id, kind=kind.name, attempt=held.attempt
            ),
            report=lambda fraction, note: self._slot.report(fraction, secrets.scrub(note)),
            is_cancelled=lambda: self._slot.is_cancelled(held),
        )


def _ended_by(error: BaseException, within: Limit, secrets: Secrets) -> Outcome:
    """Name the outcome of an attempt whose handler raised `error`."""
    outcome: Outcome
    match error:
        case TaskCancelled():
            outcome = Cancelled()
        case TaskTimedOut():
            outcome = Failed(Reason.TIMEOUT, ErrorReport("TaskTimedOut", f"ran longer than {within}"))
        case Retry(after_s=after_s):
            outcome = Failed(Reason.ERROR, _report(error, secrets, with_traceback=False), after_s=after_s)
        case Discard():
            outcome = Failed(Reason.DISCARDED, _report(error, secrets, with_traceback=False), permanent=True)
        case _:
            outcome = Failed(Reason.ERROR, _report(error, secrets))
    return outcome


def _broken_rules(error: ValidationError, secrets: Secrets) -> str:
    """Say what is wrong with a payload without repeating what stands in it."""
    rules = error.errors(include_input=False, include_url=False, include_context=False)
    text = "; ".join(f"{'.'.join(map(str, rule['loc'])) or 'payload'}: {rule['msg']}" for rule in rules)
    return _clip(text, secrets)


def _report(error: BaseException, secrets: Secrets, *, with_traceback: bool = True) -> ErrorReport:
    try:
        message = str(error)
    except Exception as broken:  # noqa: BLE001 - an exception whose text raises is still an outcome
        message = f"(its message cannot be shown: {type(broken).__name__})"
    text = ""
    if with_traceback:
        try:
            # The first two frames are this module's own.
            frames = error.__traceback__ and error.__traceback__.tb_next and error.__traceback__.tb_next.tb_next
            text = secrets.scrub("".join(traceback.format_exception(type(error), error, frames)))[-_TRACEBACK_CHARS:]
        except Exception:  # noqa: BLE001 - as above
            text = ""
    return ErrorReport(type(error).__qualname__, _clip(message, secrets), storable(text))


def _clip(text: str, secrets: Secrets) -> str:
    text = secrets.scrub(text)
    return storable(text if len(text) <= _MESSAGE_CHARS else text[: _MESSAGE_CHARS - 1] + "…")
