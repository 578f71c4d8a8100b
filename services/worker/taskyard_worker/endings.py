"""How an attempt ended, from what was raised in it: an outcome with a reason, whatever the exception makes of itself.

An exception is a user's object. Its text may raise, be endless or hold what PostgreSQL refuses; its name, its traceback
and its attributes may as well. Nothing of that may cost more than the words in the record.
"""

import traceback
from typing import Final

from pydantic import ValidationError

from taskyard.context import Discard, Retry, TaskCancelled, TaskTimedOut
from taskyard.documents import storable
from taskyard.errors import InvalidError
from taskyard.outcomes import Cancelled, ErrorReport, Failed, Outcome
from taskyard.redaction import Secrets
from taskyard.states import Reason
from taskyard_worker.limits import Limit

_NAME_CHARS: Final = 200
_MESSAGE_CHARS: Final = 2000
_TRACEBACK_CHARS: Final = 20_000
_SCRUBBED_CHARS: Final = 1_000_000
"""How much of an endless text is looked through for secrets before it is cut."""


def ended_by(error: BaseException, blame: Reason, within: Limit, secrets: Secrets) -> Outcome:
    """Name the outcome of an attempt in which `error` was raised.

    `blame` says by what: INVALID_PAYLOAD by the check of the payload, INVALID_RESULT by the writing of the result,
    ERROR by the handler. Raises nothing.
    """
    try:
        return _ended_by(error, blame, within, secrets)
    except BaseException:  # noqa: BLE001 - an exception that lies about itself is still an outcome
        report = ErrorReport("Exception", "(the exception cannot be looked at without raising another)")
        return Failed(blame, report, permanent=blame is not Reason.ERROR)


def _ended_by(error: BaseException, blame: Reason, within: Limit, secrets: Secrets) -> Outcome:
    if isinstance(error, TaskCancelled):
        return Cancelled()
    if isinstance(error, TaskTimedOut):
        return Failed(Reason.TIMEOUT, ErrorReport("TaskTimedOut", f"ran longer than {within}"))
    if blame is Reason.ERROR:
        return _failed(error, secrets)
    if isinstance(error, ValidationError) and blame is Reason.INVALID_PAYLOAD:
        return Failed(blame, ErrorReport("ValidationError", _broken_rules(error, secrets)), permanent=True)
    if isinstance(error, InvalidError):
        return Failed(blame, ErrorReport("InvalidResult", _clip(str(error), secrets)), permanent=True)
    return Failed(blame, _report(error, secrets), permanent=True)


def _failed(error: BaseException, secrets: Secrets) -> Failed:
    match error:
        case Retry(after_s=after_s):
            return Failed(Reason.ERROR, _report(error, secrets, with_traceback=False), after_s=after_s)
        case Discard():
            return Failed(Reason.DISCARDED, _report(error, secrets, with_traceback=False), permanent=True)
        case _:
            return Failed(Reason.ERROR, _report(error, secrets))


def _broken_rules(error: ValidationError, secrets: Secrets) -> str:
    """Say what is wrong with a payload without repeating what stands in it."""
    rules = error.errors(include_input=False, include_url=False, include_context=False)
    text = "; ".join(f"{'.'.join(map(str, rule['loc'])) or 'payload'}: {rule['msg']}" for rule in rules)
    return _clip(text, secrets)


def _report(error: BaseException, secrets: Secrets, *, with_traceback: bool = True) -> ErrorReport:
    try:
        message = _clip(str(error), secrets)
    except BaseException as broken:  # noqa: BLE001 - an exception whose text raises is still an outcome
        message = f"(its message cannot be shown: {_name(broken)})"
    text = ""
    if with_traceback:
        try:
            # The first two frames are the runner's own.
            frames = error.__traceback__ and error.__traceback__.tb_next and error.__traceback__.tb_next.tb_next
            shown = "".join(traceback.format_exception(type(error), error, frames))[-_SCRUBBED_CHARS:]
            text = storable(secrets.scrub(shown)[-_TRACEBACK_CHARS:])
        except BaseException:  # noqa: BLE001 - as above
            text = ""
    return ErrorReport(_name(error), message, text)


def _name(error: BaseException) -> str:
    return storable(str(type(error).__qualname__)[:_NAME_CHARS])


def _clip(text: str, secrets: Secrets) -> str:
    text = secrets.scrub(text[:_SCRUBBED_CHARS])
    return storable(text if len(text) <= _MESSAGE_CHARS else text[: _MESSAGE_CHARS - 1] + "…")
