"""Statements about the catalogue: what can be submitted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from taskyard.database import Cursor

_NOTE_RUN_TIMES: Final = """
    UPDATE kinds SET recent_run_s = noted.run_s
      FROM unnest(%(names)s::text[], %(run_s)s::double precision[]) AS noted (name, run_s)
     WHERE kinds.name = noted.name
 RETURNING set_config('synchronous_commit', 'off', true)
"""


@dataclass(frozen=True, slots=True)
class CataloguedKind:
    """A kind as submitters see it: defaults, and the JSON Schema of its payload.

    `redact` names the members of payload and result that only those see who may read payloads.
    """

    name: str
    description: str
    queue: str
    timeout_s: float
    max_attempts: int
    retry_first_s: float
    retry_factor: float
    retry_longest_s: float
    payload_schema: dict[str, Any]
    redact: list[str]
    announced_at: datetime


def announce(cursor: Cursor, kinds: Iterable[dict[str, Any]]) -> None:
    """Write `kinds` (documents with the columns' names) into the catalogue; what was there under a name is replaced.

    Their queues must exist. Locks the rows in the order of their names.
    """
    rows = sorted(kinds, key=lambda kind: str(kind["name"]))
    cursor.execute(
        """
        INSERT INTO kinds (name, description, queue, timeout_s, max_attempts, retry_first_s, retry_factor,
                           retry_longest_s, payload_schema, redact)
        SELECT name, description, queue, timeout_s, max_attempts, retry_first_s, retry_factor, retry_longest_s,
               payload_schema, redact
          FROM json_to_recordset(%s) AS kind (
               name text, description text, queue text, timeout_s double precision, max_attempts integer,
               retry_first_s double precision, retry_factor double precision, retry_longest_s double precision,
               payload_schema jsonb, redact text[])
         ORDER BY name
            ON CONFLICT (name) DO UPDATE
           SET (description, queue, timeout_s, max_attempts, retry_first_s, retry_factor, retry_longest_s,
                payload_schema, redact, announced_at)
             = (excluded.description, excluded.queue, excluded.timeout_s, excluded.max_attempts, excluded.retry_first_s,
                excluded.retry_factor, excluded.retry_longest_s, excluded.payload_schema, excluded.redact, now())
        """,
        (orjson.dumps(rows).decode(),),
    )


def catalogue(cursor: Cursor) -> dict[str, CataloguedKind]:
    """Return all kinds by name, sorted. Locks nothing."""
    cursor.execute(
        """
        SELECT name, description, queue, timeout_s, max_attempts, retry_first_s, retry_factor, retry_longest_s,
               payload_schema, redact, announced_at
          FROM kinds ORDER BY name
        """
    )
    return {row[0]: CataloguedKind(*row) for row in cursor.fetchall()}


def home_queues(cursor: Cursor) -> dict[str, str]:
    """Return the queue of each kind where a task names none. Locks nothing."""
    cursor.execute("SELECT name, queue FROM kinds ORDER BY name")
    return dict(cursor.fetchall())


def note_run_times(cursor: Cursor, recent_run_s: Mapping[str, float]) -> None:
    """Write down how many seconds the handlers of these kinds took lately. Locks their rows; waits for no disk."""
    names = sorted(recent_run_s)
    cursor.execute(_NOTE_RUN_TIMES, {"names": names, "run_s": [recent_run_s[name] for name in names]})


def run_times_s(cursor: Cursor) -> dict[str, float]:
    """Return how many seconds the handler of each kind took lately; unknown ones are absent. Locks nothing."""
    cursor.execute("SELECT name, recent_run_s FROM kinds WHERE recent_run_s IS NOT NULL")
    return dict(cursor.fetchall())
