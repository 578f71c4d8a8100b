"""The end of a run with faults: everything is left alone, comes to rest, and is looked through."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from taskyard.database import Session
from taskyard.errors import UnavailableError
from taskyard.local.errors import LocalRunError
from taskyard.verify.facts import TaskSeen
from taskyard.verify.faults import record
from taskyard.verify.faults.environment import SLOTS
from taskyard.verify.faults.stage import BUFFER, DISPATCHERS, WORKERS, Stage
from taskyard.verify.verdict import Finding

_DEAD_LETTERS: Final = "dlq.tasks"
_REST_S: Final = 60.0
_LOOK_S: Final = 1.0
_STANDSTILL_S: Final = 90.0
_MOST_CONNECTIONS: Final = {
    "taskyard-api": 4 + 2,
    "taskyard-dispatcher": 4 * len(DISPATCHERS),
    "taskyard-worker": (SLOTS + 1) * len(WORKERS),
}
"""By the table in docs/operations.md."""


def await_ends(stage: Stage, session: Session, say: Callable[[str], None]) -> None:
    """Wait until every task has ended, or nothing has moved for a minute and a half."""
    last: dict[str, int] = {}
    moved_at = time.monotonic()
    while time.monotonic() < moved_at + _STANDSTILL_S:
        with suppress(UnavailableError):
            left = session.run(record.unfinished)
            if not left:
                return
            if left != last:
                last, moved_at = left, time.monotonic()
        stage.ending.wait(_LOOK_S)
    say(f"nothing moves any more, and not all has ended: {last}")


def look_through(stage: Stage, session: Session) -> tuple[list[TaskSeen], list[Finding]]:
    """Return every task, and what is wrong beyond the single task; stops the parts in between.

    Raises:
        UnavailableError: PostgreSQL does not answer.
    """
    findings = [*_buffers(stage), *_connections(stage, session, _MOST_CONNECTIONS, "with all parts at rest")]
    with session.transaction() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        seen = record.tasks(cursor)
        wrong = record.faults(cursor)
    findings += [Finding(what, len(rows), str(rows[:5])) for what, rows in wrong.items()]
    stage.stop_parts()
    findings += _connections(stage, session, {}, "after all parts have stopped")
    findings += _strays(stage)
    return seen, findings


def _rest(stage: Stage, is_at_rest: Callable[[], bool]) -> bool:
    """Wait for a condition; return whether it came true in time."""
    try:
        stage.wait_until(is_at_rest, "rest", _REST_S)
    except LocalRunError:
        return False
    return True


def _buffers(stage: Stage) -> Iterator[Finding]:
    """Find messages that RabbitMQ still has, be they held by a consumer or not."""

    def depths() -> dict[str, int]:
        lines = stage.rabbitmq.part.ctl("list_queues", "--no-table-headers", "name", "messages").splitlines()
        pairs = (line.split("\t") for line in lines if line.startswith(("tasks.", _DEAD_LETTERS)))
        return {name: int(count) for name, count in pairs}

    if not _rest(stage, lambda: (found := depths()).get(BUFFER) == 0 and not any(found.values())):
        yield Finding("messages left in RabbitMQ", 1, str(depths()))


def _connections(stage: Stage, session: Session, most: dict[str, int], when: str) -> Iterator[Finding]:
    """Find more connections to PostgreSQL than the parts are said to have."""

    def counted() -> Counter[str]:
        return Counter(name.split()[0] for name in session.run(record.connections))

    if not _rest(stage, lambda: all(count <= most.get(part, 0) for part, count in counted().items())):
        yield Finding(f"connections too many {when}", 1, str(dict(counted())))


def _strays(stage: Stage) -> Iterator[Finding]:
    if not _rest(stage, lambda: not stage.strays()):
        left = stage.strays()
        yield Finding(
            "processes left running", len(left), "; ".join(f"{p.pid} {' '.join(p.cmdline()[-3:])}" for p in left)
        )
