"""Statements about the audit: who did what, from where, and when. Rows are only added, with what they tell of."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import orjson

from taskyard.database import Cursor
from taskyard.statements import windows


class Action(StrEnum):
    """What was done."""

    TASK_SUBMIT = "task.submit"
    TASK_SUBMIT_BATCH = "task.submit_batch"
    TASK_EDIT = "task.edit"
    TASK_CANCEL = "task.cancel"
    TASK_RETRY = "task.retry"
    TASK_DELETE = "task.delete"
    QUEUE_EDIT = "queue.edit"
    KEY_CREATE = "key.create"
    KEY_ROTATE = "key.rotate"
    KEY_REVOKE = "key.revoke"


_FREQUENT: Final = (Action.TASK_SUBMIT, Action.TASK_SUBMIT_BATCH)


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done, to be recorded. The attributes are columns of `audit`, whose comments explain them.

    `task_ids` ascend.
    """

    actor: str
    action: Action
    task_ids: tuple[int, ...] = ()
    queue: str | None = None
    key_id: str | None = None
    source: str | None = None
    request_id: str | None = None
    detail: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the audit."""

    id: int
    at: datetime
    actor: str
    action: str
    task_ids: list[int]
    queue: str | None
    key_id: str | None
    source: str | None
    request_id: str | None
    detail: Any


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows to list; what is None does not narrow. `before_id`: only ids below it."""

    task_id: int | None = None
    queue: str | None = None
    key_id: str | None = None
    actor: str | None = None
    action: Action | None = None
    at_from: datetime | None = None
    at_until: datetime | None = None
    before_id: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first. `next_before_id` is where the next page starts; None: there is none.

    A page may be short, even empty, and still have a next one: it looked at `windows.EXAMINED` rows and found no more.
    """

    entries: list[Entry]
    next_before_id: int | None


_COLUMNS: Final = ", ".join(column.name for column in fields(Entry))

# A task is the first of a row's, or somewhere in that of a batch; each has an index that finds it. The array has them
# looked up before anything else is thought of, whatever PostgreSQL believes how many there are.
_OF_TASK: Final = """
    id = ANY(ARRAY(
        SELECT id FROM audit WHERE task_ids <> '{}' AND task_ids[1] = %(task_id)s
         UNION
        SELECT id FROM audit
         WHERE cardinality(task_ids) > 1
           AND int8range(task_ids[1], task_ids[cardinality(task_ids)], '[]') @> %(task_id)s::bigint
           AND %(task_id)s = ANY(task_ids)))
"""


RECORD_COLUMNS: Final = "actor text, action text, queue text, key_id text, source text, request_id text, detail jsonb"
"""What a statement is given of a deed, but for its tasks: the columns of `json_to_recordset`."""

_BOUNDS: Final = {
    "task_id": _OF_TASK,
    "before_id": "id < %(before_id)s",
    "at_from": windows.since("audit", "at", "at_from"),
    "at_until": windows.until("audit", "at", "at_until"),
}


def record(cursor: Cursor, deeds: Sequence[Deed]) -> None:
    """Record `deeds`, in the transaction of what they tell of: both are there, or neither. Locks nothing."""
    if not deeds:
        return
    cursor.execute(
        f"""
        INSERT INTO audit (actor, action, task_ids, queue, key_id, source, request_id, detail)
        SELECT actor, action, task_ids, queue, key_id, source, request_id, detail
          FROM json_to_recordset(%s) AS deed (task_ids bigint[], {RECORD_COLUMNS})
        """,
        (orjson.dumps([row(deed) | {"task_ids": deed.task_ids} for deed in deeds]).decode(),),
    )


def row(deed: Deed) -> dict[str, Any]:
    """Return what `RECORD_COLUMNS` describe of `deed`, for `json_to_recordset`."""
    return {
        "actor": deed.actor,
        "action": deed.action,
        "queue": deed.queue,
        "key_id": deed.key_id,
        "source": deed.source,
        "request_id": deed.request_id,
        "detail": deed.detail,
    }


def page(cursor: Cursor, wanted: Filter, limit: int) -> Page:
    """Return a page of at most `limit` rows. Its cost is bounded by `windows.EXAMINED` rows. Locks nothing."""
    values = {column.name: value for column in fields(Filter) if (value := getattr(wanted, column.name)) is not None}
    bounds = [condition for name, condition in _BOUNDS.items() if name in values]
    judges = [f"{name} = %({name})s" for name in ("queue", "key_id", "actor", "action") if name in values]
    if _is_rare(wanted):
        bounds.append("action NOT IN ('task.submit', 'task.submit_batch')")  # as the index audit_rare_ix has it
    rows, next_before_id = windows.page(cursor, f"SELECT {_COLUMNS} FROM audit", bounds, judges, values, limit)
    return Page([Entry(*row) for row in rows], next_before_id)


def _is_rare(wanted: Filter) -> bool:
    """Whether no submission can be what is looked for: an index has the other rows apart."""
    names_other = wanted.queue is not None or wanted.key_id is not None
    return names_other or (wanted.action is not None and wanted.action not in _FREQUENT)
