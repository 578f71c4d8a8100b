"""The statement that ends attempts: outcome, row in `attempts`, and what becomes of the task, all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import orjson

from taskyard.database import Cursor
from taskyard.outcomes import Cancelled, ErrorReport, Failed, Lost, Move, Outcome, Succeeded
from taskyard.prepared import Prepared, looked_up
from taskyard.statements import ends
from taskyard.statements.claims import STATUS, Held

# Who asked for a cancellation gets it, whatever would have come after a failed attempt. Times are PostgreSQL's: who
# ran the attempt says how long ago it began and ended.
_FINISH: Final = f"""
    WITH ended AS (
        UPDATE tasks
           SET status = CASE WHEN ending.status = 'retrying' AND cancel_requested_at IS NOT NULL
                             THEN 'cancelled' ELSE ending.status END,
               reason = CASE WHEN ending.status = 'retrying' AND cancel_requested_at IS NOT NULL
                             THEN 'cancelled' ELSE ending.reason END,
               started_at = coalesce(clock_timestamp() - make_interval(secs => ending.began_ago_s), started_at),
               finished_at = CASE WHEN ending.status <> 'retrying' OR cancel_requested_at IS NOT NULL
                                  THEN clock_timestamp() - make_interval(secs => ending.ended_ago_s) END,
               run_at = coalesce(clock_timestamp() + make_interval(secs => ending.due_in_s), run_at),
               progress = CASE WHEN ending.status = 'succeeded' AND progress IS NOT NULL THEN 1 ELSE progress END,
               result = ending.result::jsonb,
               error_type = ending.error_type, error_message = ending.error_message,
               losses = losses + ending.lost, uncounted_attempts = uncounted_attempts + ending.lost, lease_until = NULL
          FROM json_to_recordset(%(endings)s) AS ending (
               task_id bigint, attempt integer, status text, reason text, due_in_s double precision, outcome text,
               result text, lost integer, error_type text, error_message text, traceback text,
               began_ago_s double precision, ended_ago_s double precision)
         WHERE {looked_up("id", "ending.task_id")} AND tasks.attempt = ending.attempt AND {STATUS} = 'running'
     RETURNING id, tasks.attempt, created_at, run_at, started_at, finished_at, worker, queue, kind, tasks.status,
               outcome, ending.reason AS ending_reason, ending.error_type AS ending_type,
               ending.error_message AS ending_message, traceback, ended_ago_s
    ), logged AS (
        INSERT INTO attempts (task_id, attempt, started_at, ended_at, outcome, reason, worker,
                              error_type, error_message, traceback)
        SELECT id, attempt, started_at, coalesce(finished_at, clock_timestamp() - make_interval(secs => ended_ago_s)),
               outcome, ending_reason, worker, ending_type, ending_message, traceback
          FROM ended
    ), moved AS (
        INSERT INTO moves (queue, source, target, tasks, {ends.COLUMNS})
        SELECT queue, 'running', status, 1, {ends.FACTS} FROM ended
    )
    SELECT id, attempt, status FROM ended
"""
_finish: Final = Prepared("finish", _FINISH, "endings")

_OUTCOME_WORD: Final = {Succeeded: "succeeded", Failed: "failed", Cancelled: "cancelled", Lost: "lost"}


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, and what follows.

    `began_ago_s` and `ended_ago_s` are seconds before now; without the first it began when it was claimed.
    """

    held: Held
    outcome: Outcome
    move: Move
    began_ago_s: float | None = None
    ended_ago_s: float = 0.0


def finish(cursor: Cursor, endings: Sequence[Ending]) -> dict[Held, str]:
    """Record how attempts ended, durably, each with its row in `attempts`; return the status that each task has now.

    That is `move.to`, or `cancelled` where another attempt was due but somebody asked for a cancellation. An attempt
    that is missing was no longer its task's own: its outcome came too late and is dropped. Locks the tasks' rows.

    Raises:
        ValueError, TypeError, psycopg2.DataError: the record cannot hold one of them; none is recorded.
    """
    ordered = sorted(endings, key=lambda ending: ending.held.task_id)
    _finish.execute(cursor, {"endings": orjson.dumps([_row(ending) for ending in ordered]).decode()})
    return {Held(task_id, attempt): status for task_id, attempt, status in cursor.fetchall()}


def lost(message: str) -> Lost:
    """Return the outcome of an attempt whose worker died."""
    return Lost(ErrorReport("WorkerLost", message))


def _row(ending: Ending) -> dict[str, Any]:
    """Return an ending as the statement reads it; what is left out is NULL.

    Raises:
        ValueError: its delay is no number of seconds; JSON would have none at all instead.
    """
    outcome, move = ending.outcome, ending.move
    if move.due_in_s is not None and not isfinite(move.due_in_s):
        raise ValueError(f"a task cannot be due in {move.due_in_s} seconds")
    row: dict[str, Any] = {
        "task_id": ending.held.task_id,
        "attempt": ending.held.attempt,
        "status": move.to,
        "outcome": _OUTCOME_WORD[type(outcome)],
        "lost": int(isinstance(outcome, Lost)),
        "began_ago_s": ending.began_ago_s,
        "ended_ago_s": ending.ended_ago_s,
    }
    if isinstance(outcome, Succeeded):
        return row | {"result": outcome.result}
    row |= {"reason": move.reason, "due_in_s": move.due_in_s}
    if isinstance(outcome, Cancelled):
        return row
    error = outcome.error
    return row | {"error_type": error.type, "error_message": error.message, "traceback": error.traceback}
