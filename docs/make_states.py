# ruff: noqa: INP001 - a script, in no package
"""Write docs/states.md from the table in `taskyard.states`; with --check, only say whether it is up to date."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from taskyard.states import FINAL, MEANING, MOVES, WAITING, Reason, Status

PAGE: Final = Path(__file__).with_name("states.md")

_S = Status
_CAUSES: Final[Mapping[tuple[Status, Status], str]] = {
    (_S.SCHEDULED, _S.QUEUED): "its time has come, or was changed to one that has",
    (_S.SCHEDULED, _S.CANCELLED): "somebody cancels it",
    (_S.QUEUED, _S.RUNNING): "a worker claims it",
    (_S.QUEUED, _S.SCHEDULED): "somebody sets `run_at` into the future",
    (_S.QUEUED, _S.CANCELLED): "somebody cancels it",
    (_S.QUEUED, _S.FAILED): "its message was dead-lettered",
    (_S.RUNNING, _S.SUCCEEDED): "the handler returned",
    (_S.RUNNING, _S.FAILED): "the attempt failed, and no other is left or would help",
    (_S.RUNNING, _S.CANCELLED): "somebody cancelled it while it ran",
    (_S.RUNNING, _S.RETRYING): "the attempt failed or was lost and another is left, or it was given back",
    (_S.RETRYING, _S.QUEUED): "its next attempt is due",
    (_S.RETRYING, _S.CANCELLED): "somebody cancels it",
    (_S.FAILED, _S.QUEUED): "somebody retries it",
    (_S.CANCELLED, _S.QUEUED): "somebody retries it",
}
_LABELS: Final[Mapping[tuple[Status, Status], str]] = {
    (_S.SCHEDULED, _S.QUEUED): "due",
    (_S.RETRYING, _S.QUEUED): "due",
    (_S.QUEUED, _S.RUNNING): "claim",
    (_S.QUEUED, _S.SCHEDULED): "edit",
    (_S.QUEUED, _S.FAILED): "undeliverable",
    (_S.FAILED, _S.QUEUED): "retry by hand",
    (_S.CANCELLED, _S.QUEUED): "retry by hand",
}
_REASONS: Final[Mapping[Reason, str]] = {
    Reason.ERROR: "the handler raised an exception, `Retry` included",
    Reason.TIMEOUT: "the attempt ran longer than `timeout_s`",
    Reason.WORKER_LOST: "the process that ran the attempt died, or its lease ran out",
    Reason.CANCELLED: "somebody cancelled the task",
    Reason.DISCARDED: "the handler raised `Discard`",
    Reason.INVALID_PAYLOAD: "the payload does not fit the handler's annotation",
    Reason.INVALID_RESULT: "what the handler returned is no JSON, cannot be stored, or is over 1 MiB",
    Reason.UNKNOWN_KIND: "a worker of the queue does not know the kind, and rejected the message",
    Reason.UNDELIVERABLE: "RabbitMQ delivered the message too often, and no worker ever claimed it",
}
_ENDS_AT_ONCE: Final = frozenset(Reason) - {Reason.ERROR, Reason.TIMEOUT, Reason.WORKER_LOST}


def render() -> str:
    """Return the whole page.

    Raises:
        KeyError: a move or a reason of the table has no words here.
    """
    return "\n".join(_lines()) + "\n"


def main() -> int:
    """Write the page, or judge it; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is stale")
    page = render()
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    sys.stderr.write(f"{PAGE} is stale: run `python docs/make_states.py`\n")
    return 1


def _lines() -> Iterator[str]:
    yield "# The statuses of a task"
    yield ""
    yield "Made by `docs/make_states.py` from `services/core/taskyard/states.py`. Do not edit it by hand."
    yield ""
    yield "| status | a task in it … | |"
    yield "|---|---|---|"
    for status in Status:
        yield f"| `{status}` | {MEANING[status]} | {_group(status)} |"
    yield ""
    yield "## Moves"
    yield ""
    yield from _diagram()
    yield ""
    yield "| from | to | when |"
    yield "|---|---|---|"
    yield "| (new) | `scheduled` | it is submitted with a time in the future |"
    yield "| (new) | `queued` | it is submitted and due |"
    for source, target in _moves():
        yield f"| `{source}` | `{target}` | {_CAUSES[source, target]} |"
    yield ""
    yield "No other move is possible: each UPDATE names the statuses it starts from. A waiting or finished task can be"
    yield "deleted; a running one cannot."
    yield ""
    yield "## Reasons"
    yield ""
    yield "`reason` says why a task, or its newest attempt that ended, ended other than by success. It stays while the"
    yield "next attempt waits and runs. Each attempt keeps its own."
    yield ""
    yield "| reason | meaning | tried again by itself |"
    yield "|---|---|---|"
    for reason in Reason:
        yield f"| `{reason}` | {_REASONS[reason]} | {_again(reason)} |"


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {Status.SCHEDULED}: submitted"
    yield f"    [*] --> {Status.QUEUED}: submitted"
    for source, target in _moves():
        label = _LABELS.get((source, target))
        yield f"    {source} --> {target}" + (f": {label}" if label else "")
    for status in (status for status in Status if status in FINAL):
        yield f"    {status} --> [*]"
    yield "```"


def _moves() -> Iterator[tuple[Status, Status]]:
    """Give all moves in the order in which the statuses are declared."""
    for source in Status:
        for target in Status:
            if target in MOVES[source]:
                yield source, target


def _group(status: Status) -> str:
    if status in WAITING:
        return "waits"
    return "final" if status in FINAL else ""


def _again(reason: Reason) -> str:
    if reason in _ENDS_AT_ONCE:
        return "no"
    return "until `max_losses` workers were lost" if reason is Reason.WORKER_LOST else "up to `max_attempts` attempts"


if __name__ == "__main__":
    raise SystemExit(main())
