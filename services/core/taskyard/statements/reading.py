"""Statements that read tasks for people: one, its attempts, a page of many. They lock nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final

from taskyard.database import Cursor
from taskyard.prepared import Prepared
from taskyard.statements import windows
from taskyard.states import FINAL, Reason, Status


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A task without its documents. The attributes are columns of `tasks`, whose comments explain them."""

    id: int
    name: str
    kind: str
    queue: str
    status: Status
    reason: Reason | None
    priority: int
    tags: list[str]
    attempt: int
    max_attempts: int
    timeout_s: float
    progress: float | None
    progress_note: str | None
    worker: str | None
    error_type: str | None
    error_message: str | None
    created_at: datetime
    run_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None


@dataclass(frozen=True, slots=True)
class Task(TaskSummary):
    """A task with its documents."""

    payload: dict[str, Any]
    result: Any


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended; `outcome` and `ended_at` are None while it runs."""

    attempt: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    reason: Reason | None
    worker: str
    error_type: str | None
    error_message: str | None
    traceback: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tasks to list; what is None does not narrow. `before_id`: only ids below it."""

    statuses: Sequence[Status] | None = None
    kind: str | None = None
    queue: str | None = None
    tags: Sequence[str] = field(default_factory=tuple)
    name: str | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None
    before_id: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Tasks, newest first. `next_before_id` is where the next page starts; None: there is none.

    A page may be short, even empty, and still have a next one: it looked at `windows.EXAMINED` rows and found no more.
    """

    tasks: list[TaskSummary]
    next_before_id: int | None


Document = dict[str, Any]
"""A task as JSON has it: the attributes of `Task` by their names."""

_SUMMARY: Final = ", ".join(column.name for column in fields(TaskSummary))
_COLUMNS: Final = tuple(column.name for column in fields(Task))
_documents: Final = Prepared(
    "read_tasks", f"SELECT {', '.join(_COLUMNS)} FROM tasks WHERE id = ANY (%(task_ids)s::bigint[])", "task_ids"
)
_ATTEMPTS: Final = """
    SELECT attempt, started_at, ended_at, outcome, reason, worker, error_type, error_message, traceback
      FROM attempts WHERE task_id = %(task_id)s
     UNION ALL
    SELECT attempt, started_at, NULL, NULL, NULL, worker, NULL, NULL, NULL
      FROM tasks WHERE id = %(task_id)s AND status = 'running'
     ORDER BY attempt
"""


def documents(cursor: Cursor, task_ids: Sequence[int]) -> dict[int, Document]:
    """Return those of `task_ids` that exist, by their ids."""
    _documents.execute(cursor, {"task_ids": list(task_ids)})
    return {row[0]: dict(zip(_COLUMNS, row, strict=True)) for row in cursor.fetchall()}


def attempts(cursor: Cursor, task_id: int) -> list[Attempt]:
    """Return the attempts of a task, the one that runs included, oldest first."""
    cursor.execute(_ATTEMPTS, {"task_id": task_id})
    return [Attempt(*row) for row in cursor.fetchall()]


def finished_among(cursor: Cursor, task_ids: Sequence[int]) -> list[int]:
    """Return which of `task_ids` have reached their end, or are gone."""
    cursor.execute(
        """
        SELECT wanted.id FROM unnest(%s::bigint[]) AS wanted (id) LEFT JOIN tasks ON tasks.id = wanted.id
         WHERE tasks.id IS NULL OR tasks.status = ANY(%s)
        """,
        (list(task_ids), sorted(FINAL)),
    )
    return [task_id for (task_id,) in cursor.fetchall()]


def page(cursor: Cursor, wanted: Filter, limit: int) -> Page:
    """Return a page of at most `limit` tasks. Its cost is bounded by `windows.EXAMINED` rows."""
    bounds, judges, values = _conditions(wanted)
    rows, next_before_id = windows.page(cursor, f"SELECT {_SUMMARY} FROM tasks", bounds, judges, values, limit)
    return Page([TaskSummary(*row) for row in rows], next_before_id)


def _conditions(wanted: Filter) -> tuple[list[str], list[str], dict[str, Any]]:
    """Return the conditions that bound what is examined, those that judge it, and their values."""
    conditions: list[str] = []
    rest: list[str] = []
    values: dict[str, Any] = {}

    def add(to: list[str], condition: str, **bound: Any) -> None:
        if all(value is not None for value in bound.values()):
            to.append(condition)
            values.update(bound)

    add(conditions, "id < %(before_id)s", before_id=wanted.before_id)
    one_status = wanted.statuses is not None and len(wanted.statuses) == 1
    add(
        conditions if one_status else rest,
        "status = ANY(%(statuses)s)" if not one_status else "status = (%(statuses)s::text[])[1]",
        statuses=None if wanted.statuses is None else [str(status) for status in wanted.statuses],
    )
    add(rest if one_status else conditions, "kind = %(kind)s", kind=wanted.kind)
    add(rest, "queue = %(queue)s", queue=wanted.queue)
    add(rest, "tags @> %(tags)s::text[]", tags=list(wanted.tags) or None)
    add(rest, "name = %(name)s", name=wanted.name)
    add(conditions, windows.since("tasks", "created_at", "since"), since=wanted.created_from)
    add(conditions, windows.until("tasks", "created_at", "until"), until=wanted.created_until)
    return conditions, rest, values
