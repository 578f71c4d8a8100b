"""Making tasks for tests of the statements, and reading what became of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from taskyard.database import Session
from taskyard.outcomes import ErrorReport, Failed, Move, Outcome, Succeeded
from taskyard.statements import claims, dispatching, finishing, queues, reading, submission
from taskyard.statements.claims import Claim, Held
from taskyard.statements.dispatching import ReadyTask
from taskyard.statements.finishing import Ending
from taskyard.statements.submission import NewTask, Recorded
from taskyard.states import Reason, Status

PLAIN = NewTask(
    name="a task", kind="sleep", queue="default", priority=4, max_attempts=5, timeout_s=60.0, tags=(), payload={}
)
ERROR = Failed(Reason.ERROR, ErrorReport("ValueError", "no", "Traceback …"))


def insert(session: Session, count: int = 1, **changes: Any) -> list[int]:
    """Record tasks and return their ids."""
    made = session.run(submission.insert, [replace(PLAIN, **changes)] * count)
    return [one.id for one in made if isinstance(one, Recorded)]


def claim(session: Session, task_id: int, attempt: int = 1, worker: str = "w", lease_s: float = 30.0) -> Claim | None:
    claimed = session.run(claims.claim, [Held(task_id, attempt)], "default", worker, lease_s)
    return claimed[0] if claimed else None


def mark(session: Session, tasks: Sequence[ReadyTask]) -> None:
    """Mark tasks as dispatched, each in a message of its own."""
    session.run(dispatching.mark_dispatched, "default", [(task,) for task in tasks])


def finish(session: Session, held: Held, outcome: Outcome, move: Move) -> str | None:
    return session.run(finishing.finish, [Ending(held, outcome, move)]).get(held)


def succeed(session: Session, task_id: int, attempt: int = 1) -> str | None:
    return finish(session, Held(task_id, attempt), Succeeded('{"ok": true}'), Move(Status.SUCCEEDED))


def fail(session: Session, task_id: int, attempt: int = 1, due_in_s: float | None = None) -> str | None:
    to = Status.FAILED if due_in_s is None else Status.RETRYING
    return finish(session, Held(task_id, attempt), ERROR, Move(to, Reason.ERROR, due_in_s))


def lose(session: Session, task_id: int, attempt: int = 1) -> str | None:
    move = Move(Status.RETRYING, Reason.WORKER_LOST)
    return finish(session, Held(task_id, attempt), finishing.lost("gone"), move)


def read(session: Session, task_id: int) -> reading.Task | None:
    document = session.run(reading.documents, [task_id]).get(task_id)
    return reading.Task(**document) if document else None


def status(session: Session, task_id: int) -> str | None:
    found = read(session, task_id)
    return found.status if found else None


def ready(session: Session) -> list[tuple[int, int]]:
    """Return (task, attempt) of every row in `ready`."""
    return session.run(_rows, "SELECT task_id, attempt FROM ready ORDER BY task_id")


def promote(session: Session) -> int:
    return session.run(dispatching.promote, 1000)


def counted(session: Session) -> dict[tuple[str, str], int]:
    """Return the counters, without those that are 0."""
    return {key: tasks for key, tasks in session.run(queues.counts).items() if tasks}


def recounted(session: Session) -> dict[tuple[str, str], int]:
    """Return what the counters should be, by counting."""
    rows = session.run(_rows, "SELECT queue, status, count(*) FROM tasks GROUP BY queue, status")
    return {(queue, status): tasks for queue, status, tasks in rows}


def run_sql(session: Session, statement: str, *values: Any) -> None:
    session.run(lambda cursor: cursor.execute(statement, values))


def rows(session: Session, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    return session.run(_rows, statement, *values)


def _rows(cursor, statement, *values):
    cursor.execute(statement, values)
    return cursor.fetchall()
