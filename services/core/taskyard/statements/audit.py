"""Statements about the audit: who did what, from where, and when. Rows are only added, with what they tell of."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import orjson

from taskyard.database import Cursor

EXAMINED: Final = 20_000
"""How many rows one page looks at: what bounds its cost, however rare the rows are that it looks for."""

_SLACK: Final = 10_000
"""Ids are given out nearly, not exactly, in the order of `at`: so far around it is searched."""


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

    A page may be short, even empty, and still have a next one: it looked at `EXAMINED` rows and found no more.
    """

    entries: list[Entry]
    next_before_id: int | None


_COLUMNS: Final = ", ".join(column.name for column in fields(Entry))

# A task is the first of a row's, or somewhere in that of a batch; each has an index that finds it.
_OF_TASK: Final = """
    id IN (SELECT id FROM audit WHERE task_ids <> '{}' AND task_ids[1] = %(task_id)s
            UNION
           SELECT id FROM audit
            WHERE cardinality(task_ids) > 1
              AND int8range(task_ids[1], task_ids[cardinality(task_ids)], '[]') @> %(task_id)s::bigint
              AND %(task_id)s = ANY(task_ids))
"""


def record(cursor: Cursor, deeds: Sequence[Deed]) -> None:
    """Record `deeds`, in the transaction of what they tell of: both are there, or neither. Locks nothing."""
    if not deeds:
        return
    rows = [
        {
            "actor": deed.actor,
            "action": deed.action,
            "task_ids": deed.task_ids,
            "queue": deed.queue,
            "key_id": deed.key_id,
            "source": deed.source,
            "request_id": deed.request_id,
            "detail": deed.detail,
        }
        for deed in deeds
    ]
    cursor.execute(
        """
        INSERT INTO audit (actor, action, task_ids, queue, key_id, source, request_id, detail)
        SELECT actor, action, task_ids, queue, key_id, source, request_id, detail
          FROM json_to_recordset(%s) AS deed (
               actor text, action text, task_ids bigint[], queue text, key_id text, source text, request_id text,
               detail jsonb)
        """,
        (orjson.dumps(rows).decode(),),
    )


def page(cursor: Cursor, wanted: Filter, limit: int) -> Page:
    """Return a page of at most `limit` rows. Its cost is bounded by `EXAMINED` rows. Locks nothing.

    Conditions that an index holds choose the rows to examine; the others judge those rows.
    """
    conditions, rest, values = _conditions(wanted)
    window = f"SELECT {_COLUMNS} FROM audit WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT {EXAMINED}"
    values["limit"] = limit + 1
    cursor.execute(
        f"SELECT {_COLUMNS} FROM ({window}) AS examined WHERE {' AND '.join(rest)} ORDER BY id DESC LIMIT %(limit)s",
        values,
    )
    found = [Entry(*row) for row in cursor.fetchall()]
    if len(found) > limit:
        return Page(found[:limit], found[limit - 1].id)
    if rest == ["true"]:
        return Page(found, None)
    cursor.execute(f"SELECT min(id), count(*) FROM ({window}) AS examined", values)
    least, examined = cursor.fetchone() or (None, 0)
    return Page(found, least if examined == EXAMINED else None)


def _conditions(wanted: Filter) -> tuple[list[str], list[str], dict[str, Any]]:
    """Return the conditions that bound what is examined, those that judge it, and their values."""
    values = {column.name: getattr(wanted, column.name) for column in fields(Filter)}
    is_rare = wanted.queue is not None or wanted.key_id is not None
    is_rare = is_rare or (wanted.action is not None and wanted.action not in _FREQUENT)
    bounds = {
        "before_id": "id < %(before_id)s",
        "task_id": _OF_TASK,
        "at_from": f"""id >= coalesce((SELECT id FROM audit WHERE at >= %(at_from)s ORDER BY at LIMIT 1),
                                      9223372036854775807) - {_SLACK} AND at >= %(at_from)s""",
        "at_until": f"""id <= coalesce((SELECT id FROM audit WHERE at < %(at_until)s ORDER BY at DESC LIMIT 1), 0)
                             + {_SLACK} AND at < %(at_until)s""",
    }
    judges = {column: f"{column} = %({column})s" for column in ("queue", "key_id", "actor", "action")}
    conditions = [condition for name, condition in bounds.items() if values[name] is not None]
    if is_rare:
        conditions.append(f"action NOT IN ({', '.join(repr(action.value) for action in _FREQUENT)})")
    rest = [condition for name, condition in judges.items() if values[name] is not None]
    return conditions or ["true"], rest or ["true"], values
