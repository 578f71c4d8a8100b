"""Recording new tasks, and who submitted them: many in one statement, and so in one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
import psycopg2

from taskyard.asking import Ask, Asking, carry
from taskyard.database import Cursor
from taskyard.errors import UnavailableError
from taskyard.prepared import Prepared
from taskyard.statements import audit
from taskyard.statements.audit import Deed
from taskyard.states import Status

_RECORD: Final = """
    WITH input AS MATERIALIZED (
        SELECT *, coalesce(run_at, now() + make_interval(secs => delay_s), now()) AS due_at
          FROM json_to_recordset(%(tasks)s) AS task (
               position integer, name text, kind text, queue text, priority smallint, run_at timestamptz,
               delay_s double precision, max_attempts integer, timeout_s double precision, tags text[], payload jsonb,
               idempotency_key text, request_hash text)
    ), recorded AS (
        INSERT INTO tasks (name, kind, queue, priority, run_at, queued_at, max_attempts, timeout_s, tags, payload,
                           idempotency_key, request_hash, status)
        SELECT name, kind, queue, priority, due_at, CASE WHEN due_at <= now() THEN now() END, max_attempts, timeout_s,
               tags, payload, idempotency_key, decode(request_hash, 'hex'),
               CASE WHEN due_at <= now() THEN 'queued' ELSE 'scheduled' END
          FROM input
         ORDER BY position
            ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
     RETURNING id, created_at, run_at, queued_at, status, kind, queue, priority, idempotency_key
    ), waiting AS (
        INSERT INTO ready (task_id, run_at, attempt, priority, queue, kind)
        SELECT id, run_at, 1, priority, queue, kind FROM recorded WHERE status = 'queued'
    ), moved AS (
        INSERT INTO moves (queue, source, target, tasks)
        SELECT queue, NULL, status, count(*) FROM recorded GROUP BY queue, status
    )
"""

# A new row does not tell which of the input it was. One with a key tells it by that; the others were numbered in their
# order. Looked up, as a join of two unknown numbers of rows would be planned as one of a few.
_AUDIT: Final = f"""
    , own AS (
        SELECT id, CASE WHEN idempotency_key IS NULL
                        THEN (%(deed_by_place)s::integer[])[
                             row_number() OVER (PARTITION BY idempotency_key IS NULL ORDER BY id)]
                        ELSE (%(deed_by_key)s::jsonb ->> idempotency_key)::integer END AS number
          FROM recorded
    ), told AS (
        INSERT INTO audit (actor, action, task_ids, queue, key_id, source, request_id, detail)
        SELECT actor, action, ids, queue, key_id, source, request_id, detail
          FROM json_to_recordset(%(deeds)s) AS deeds (number integer, {audit.RECORD_COLUMNS})
          JOIN (SELECT number, array_agg(id ORDER BY id) AS ids FROM own GROUP BY number) AS done USING (number)
         ORDER BY number
    )
"""

_ANSWER: Final = "SELECT id, created_at, run_at, queued_at, status, idempotency_key FROM recorded ORDER BY id"

_INSERT: Final = _RECORD + _ANSWER
_INSERT_AUDITED: Final = _RECORD + _AUDIT + _ANSWER

_insert: Final = Prepared("insert_tasks", _INSERT, "tasks")
_insert_audited: Final = Prepared(
    "insert_tasks_audited", _INSERT_AUDITED, "tasks", "deeds", "deed_by_place", "deed_by_key"
)

_KEYED: Final = "SELECT idempotency_key, id, request_hash FROM tasks WHERE idempotency_key = ANY(%(keys)s)"


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be recorded, checked and complete. `run_at` and `delay_s` exclude one another."""

    name: str
    kind: str
    queue: str
    priority: int
    max_attempts: int
    timeout_s: float
    tags: tuple[str, ...]
    payload: dict[str, Any]
    run_at: datetime | None = None
    delay_s: float | None = None
    idempotency_key: str | None = None
    request_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the record added to a new task."""

    id: int
    created_at: datetime
    run_at: datetime
    queued_at: datetime | None
    status: Status


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """The task's idempotency key belongs to the task `id`, submitted with the request of hash `request_hash` (hex)."""

    id: int
    request_hash: str


_NOBODY: Final = KeyTaken(0, "")
"""Whose key was taken when it was to be recorded, and free when it was looked up: deleted in between."""


def insert(
    cursor: Cursor, tasks: Sequence[NewTask], deeds: Sequence[tuple[Deed, range]] = ()
) -> list[Recorded | KeyTaken]:
    """Carry `insertion` out."""
    return carry(cursor, insertion(tasks, deeds))


def insertion(tasks: Sequence[NewTask], deeds: Sequence[tuple[Deed, range]] = ()) -> Asking[list[Recorded | KeyTaken]]:
    """Record `tasks` and make those that are due ready; return what became of each, in their order.

    `deeds` are recorded with them, in this order, each with the ids of those of its tasks that are new, and only where
    there are any; its range has their places in `tasks`.

    Done when the first statement is: no transaction is needed. A key that is taken is looked up by a second one; where
    that fails it is an `UnavailableError`, and what is new is recorded all the same.

    Waits for a transaction that is just recording the same key; locks nothing else. Ids ascend in the order of `tasks`,
    since PostgreSQL numbers the rows of an ordered INSERT … SELECT in that order.
    """
    values = {"tasks": _json([_row(place, task) for place, task in enumerate(tasks)])}
    rows = yield Ask(_insert_audited, values | _told(tasks, deeds)) if deeds else Ask(_insert, values)
    keyed: dict[str, Recorded | KeyTaken] = {}
    unkeyed: list[Recorded] = []
    for id_, created_at, run_at, queued_at, status, key in rows:
        recorded = Recorded(id_, created_at, run_at, queued_at, Status(status))
        if key is None:
            unkeyed.append(recorded)
        else:
            keyed[key] = recorded
    taken = yield from _taken([task.idempotency_key for task in tasks if task.idempotency_key], len(keyed))
    numbered = iter(unkeyed)
    return [
        next(numbered)
        if task.idempotency_key is None
        # A key that stands twice in this very statement: its row is the first one's.
        else keyed.pop(task.idempotency_key, taken.get(task.idempotency_key, _NOBODY))
        for task in tasks
    ]


def _told(tasks: Sequence[NewTask], deeds: Sequence[tuple[Deed, range]]) -> dict[str, Any]:
    """Return what `_AUDIT` takes: the deeds, and which of them tells of a task; 0: none.

    Of a task without a key by its place among those, else by its key, which is the first one's.
    """
    deed_of = {place: number for number, (_, places) in enumerate(deeds, 1) for place in places}
    by_key: dict[str, int] = {}
    for place, task in enumerate(tasks):
        if task.idempotency_key is not None:
            by_key.setdefault(task.idempotency_key, deed_of.get(place, 0))
    return {
        "deeds": _json([audit.row(deed) | {"number": number} for number, (deed, _) in enumerate(deeds, 1)]),
        "deed_by_place": [deed_of.get(place, 0) for place, task in enumerate(tasks) if task.idempotency_key is None],
        "deed_by_key": _json(by_key),
    }


def _json(document: Any) -> str:
    return orjson.dumps(document).decode()


def _row(position: int, task: NewTask) -> dict[str, Any]:
    return {
        "position": position,
        "name": task.name,
        "kind": task.kind,
        "queue": task.queue,
        "priority": task.priority,
        "run_at": task.run_at,
        "delay_s": task.delay_s,
        "max_attempts": task.max_attempts,
        "timeout_s": task.timeout_s,
        "tags": task.tags,
        "payload": task.payload,
        "idempotency_key": task.idempotency_key,
        "request_hash": task.request_hash,
    }


def _taken(keys: list[str], recorded: int) -> Asking[dict[str, KeyTaken]]:
    """Look up the keys where not all of them brought a row of their own."""
    if len(keys) == recorded:
        return {}
    try:
        rows = yield Ask(_KEYED, {"keys": keys})
    except psycopg2.Error as error:  # no other error may come now: it would say that nothing was recorded
        raise UnavailableError("whose the Idempotency-Keys are could not be looked up") from error
    return {key: KeyTaken(id_, bytes(request_hash).hex()) for key, id_, request_hash in rows}
