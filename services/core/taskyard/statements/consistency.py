"""What must hold of the record at any moment, and the statements that find where it does not.

    scheduled, retrying ── tasks alone            queued ── tasks and ready            running ── tasks, with a lease
    attempts            ── a row for each attempt that ended, of a task that is there
    counters + moves    ── a full count of tasks

Whatever changes a task is one transaction, so all of this holds in every snapshot, however much is in flight. Each
statement here is one snapshot: what it finds is broken, and not on its way. Two rules are of another sort, since time
breaks them: what is due must be queued, and a lease that ran out must be ended. For those the caller looks repeatedly.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from taskyard.database import Cursor
from taskyard.statements import queues


class Rule(StrEnum):
    """What can be broken. The values are labels of metrics and part of the API."""

    QUEUED_WITHOUT_READY = "queued_without_ready"
    READY_NOT_QUEUED = "ready_not_queued"
    READY_WITHOUT_TASK = "ready_without_task"
    READY_DIFFERS = "ready_differs"
    QUEUE_MISSING = "queue_missing"
    DUE_NOT_QUEUED = "due_not_queued"
    LEASE_OVERDUE = "lease_overdue"
    ATTEMPTS_MISSING = "attempts_missing"
    ATTEMPTS_SURPLUS = "attempts_surplus"
    ATTEMPTS_WITHOUT_TASK = "attempts_without_task"
    SUCCEEDED_TWICE = "succeeded_twice"
    END_CONTRADICTED = "end_contradicted"
    COUNTERS_DRIFT = "counters_drift"


MEANING: Final[Mapping[Rule, str]] = {
    Rule.QUEUED_WITHOUT_READY: "A queued task has no row in ready, so that it is never sent.",
    Rule.READY_NOT_QUEUED: "A task has a row in ready and is not queued, so that it is sent in vain.",
    Rule.READY_WITHOUT_TASK: "A row in ready is of no task.",
    Rule.READY_DIFFERS: "The row in ready says another attempt, queue, kind, priority or time than the task.",
    Rule.QUEUE_MISSING: "An unfinished task waits in a queue that there is not, so that nobody looks for it.",
    Rule.DUE_NOT_QUEUED: "A scheduled or retrying task has been due for more than a minute.",
    Rule.LEASE_OVERDUE: "A running task's lease ran out more than a minute ago.",
    Rule.ATTEMPTS_MISSING: "A task has fewer rows in attempts than attempts that ended.",
    Rule.ATTEMPTS_SURPLUS: "A task has a row in attempts with a higher number than its attempts that ended.",
    Rule.ATTEMPTS_WITHOUT_TASK: "Rows in attempts are of no task.",
    Rule.SUCCEEDED_TWICE: "More than one attempt of a task is recorded as succeeded.",
    Rule.END_CONTRADICTED: "A task succeeded by none of its attempts, or did not though one of them did.",
    Rule.COUNTERS_DRIFT: "Counters and moves together are not what a full count of the tasks gives.",
}

_JUDGE: Final = """
    SELECT array_remove(ARRAY[
               CASE WHEN task.status = 'queued' AND waiting.task_id IS NULL THEN 'queued_without_ready' END,
               CASE WHEN task.status <> 'queued' AND waiting.task_id IS NOT NULL THEN 'ready_not_queued' END,
               CASE WHEN task.id IS NULL AND waiting.task_id IS NOT NULL THEN 'ready_without_task' END,
               CASE WHEN task.status = 'queued' AND (waiting.attempt, waiting.queue, waiting.kind, waiting.priority,
                                                     waiting.run_at)
                                                 <> (task.attempt + 1, task.queue, task.kind, task.priority,
                                                     task.run_at) THEN 'ready_differs' END,
               CASE WHEN task.status IN ('scheduled', 'queued', 'running', 'retrying') AND queues.name IS NULL
                    THEN 'queue_missing' END,
               CASE WHEN task.ended > coalesce(tried.attempts, 0) THEN 'attempts_missing' END,
               CASE WHEN task.ended < tried.newest THEN 'attempts_surplus' END,
               CASE WHEN task.id IS NULL AND tried.task_id IS NOT NULL THEN 'attempts_without_task' END,
               CASE WHEN tried.succeeded > 1 THEN 'succeeded_twice' END,
               CASE WHEN task.status = 'succeeded' AND task.ended <= coalesce(tried.attempts, 0)
                         AND coalesce(tried.succeeded, 0) = 0
                      OR task.status <> 'succeeded' AND tried.succeeded > 0 THEN 'end_contradicted' END
           ], NULL) AS broken,
           coalesce(task.id, waiting.task_id, tried.task_id) AS task_id, coalesce(task.queue, waiting.queue) AS queue,
           task.status, task.attempt, waiting.attempt AS ready_attempt, waiting.queue AS ready_queue,
           tried.attempts, tried.newest, tried.succeeded
      FROM (SELECT *, attempt - (status = 'running')::integer AS ended FROM tasks WHERE {tasks}) AS task
      FULL JOIN (SELECT * FROM ready WHERE {others}) AS waiting ON waiting.task_id = task.id
      FULL JOIN (SELECT task_id, count(*) AS attempts, max(attempt) AS newest,
                        count(*) FILTER (WHERE outcome = 'succeeded') AS succeeded
                   FROM attempts WHERE {others} GROUP BY task_id) AS tried
             ON tried.task_id = coalesce(task.id, waiting.task_id)
      LEFT JOIN queues ON queues.name = task.queue
"""

_FIND: Final = """
    SELECT unnest(broken), task_id, queue, status, attempt, ready_attempt, ready_queue, attempts, newest, succeeded
      FROM ({judged}) AS judged WHERE broken <> '{{}}' ORDER BY task_id
"""
_IN_SLICE: Final = _FIND.format(
    judged=_JUDGE.format(
        tasks="id > %(after)s AND id <= %(until)s", others="task_id > %(after)s AND task_id <= %(until)s"
    )
)
_AMONG: Final = _FIND.format(
    judged=_JUDGE.format(tasks="id = ANY(%(task_ids)s::bigint[])", others="task_id = ANY(%(task_ids)s::bigint[])")
)

_NEXT: Final = """
    SELECT max(id), count(*) FROM (
           SELECT id FROM tasks WHERE id > %(after)s ORDER BY id LIMIT %(limit)s) AS next
"""

# Of tasks that are not there nobody can hold a lock.
_HOLD: Final = """
    WITH held AS MATERIALIZED (
        SELECT id FROM tasks WHERE id = ANY(%(task_ids)s::bigint[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT id FROM held
     UNION ALL
    SELECT id FROM unnest(%(task_ids)s::bigint[]) AS asked (id) WHERE NOT EXISTS (SELECT FROM tasks WHERE id = asked.id)
"""

_OVERDUE: Final = """
    (SELECT 'lease_overdue', id, queue, attempt, lease_until FROM tasks
      WHERE status = 'running' AND lease_until < now() - make_interval(secs => %(grace_s)s)
      ORDER BY lease_until LIMIT %(limit)s)
     UNION ALL
    (SELECT 'due_not_queued', id, queue, attempt, run_at FROM tasks
      WHERE status IN ('scheduled', 'retrying') AND run_at < now() - make_interval(secs => %(grace_s)s)
      ORDER BY run_at LIMIT %(limit)s)
"""

_DRIFT: Final = f"""
    WITH counted AS (
        SELECT queue, status, count(*) AS tasks FROM tasks GROUP BY queue, status
    ), kept AS (
        {queues.COUNTS}
    )
    SELECT queue, status, coalesce(counted.tasks, 0), coalesce(kept.tasks, 0)
      FROM counted FULL JOIN kept USING (queue, status)
     WHERE coalesce(counted.tasks, 0) <> coalesce(kept.tasks, 0)
     ORDER BY queue, status
"""

_LAST_ID: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that is broken: by which task, in which queue, and how that looks."""

    rule: Rule
    task_id: int | None
    queue: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Slice:
    """A range of ids, with how many tasks; `until` is None for the last one, which has no end."""

    after: int
    until: int | None
    tasks: int


@dataclass(frozen=True, slots=True)
class Drift:
    """A counter that is not right: what a full count gives, and what counters and moves say."""

    queue: str
    status: str
    counted: int
    kept: int

    @property
    def difference(self) -> int:
        """What is to be added to the counter."""
        return self.counted - self.kept

    @property
    def violation(self) -> Violation:
        """The same as one of the violations."""
        detail = f"{self.status}: {self.counted} tasks, and {self.kept} by the counters"
        return Violation(Rule.COUNTERS_DRIFT, None, self.queue, detail)


def slice_after(cursor: Cursor, after: int, limit: int) -> Slice:
    """Return the range of the next `limit` tasks by id. Locks nothing; reads their keys alone."""
    cursor.execute(_NEXT, {"after": after, "limit": limit})
    last, tasks = cursor.fetchone() or (None, 0)
    return Slice(after, last if tasks == limit else None, tasks)


def find(cursor: Cursor, within: Slice) -> list[Violation]:
    """Return what is broken within a range of ids, in one snapshot. Locks nothing; reads that range of three tables."""
    until = _LAST_ID if within.until is None else within.until
    cursor.execute(_IN_SLICE, {"after": within.after, "until": until})
    return [_violation(*row) for row in cursor.fetchall()]


def confirm(cursor: Cursor, task_ids: Collection[int]) -> list[Violation]:
    """Return what is broken of `task_ids` once nobody else can change them.

    Needs a transaction, until whose end their rows stay locked; those that somebody else holds are passed over.
    """
    cursor.execute(_HOLD, {"task_ids": sorted(task_ids)})
    held = [task_id for (task_id,) in cursor.fetchall()]
    cursor.execute(_AMONG, {"task_ids": held})
    return [_violation(*row) for row in cursor.fetchall()]


def overdue(cursor: Cursor, grace_s: float, limit: int) -> list[Violation]:
    """Return leases that ran out, and tasks that were due, more than `grace_s` ago; at most `limit` of each.

    The head of each line alone: while it moves, all is well, however long it is. Locks nothing; reads two indexes.
    """
    cursor.execute(_OVERDUE, {"grace_s": grace_s, "limit": limit})
    return [
        Violation(Rule(rule), task_id, queue, f"attempt {attempt}, since {since:%Y-%m-%d %H:%M:%S.%f} UTC")
        for rule, task_id, queue, attempt, since in cursor.fetchall()
    ]


def drift(cursor: Cursor) -> list[Drift]:
    """Return the counters that are not what a full count gives, both taken from one snapshot. Locks nothing.

    Reads all of `tasks`, once, in order: seconds for ten million. Nobody waits for it; while it reads, rows that were
    deleted meanwhile cannot be cleaned up.

    Raises:
        UnavailableError: it took longer than the session lets a statement take.
    """
    cursor.execute(_DRIFT)
    return [Drift(*row) for row in cursor.fetchall()]


def _violation(rule: str, task_id: int, queue: str | None, *facts: Any) -> Violation:
    return Violation(Rule(rule), task_id, queue, _detail(*facts))


def _detail(  # noqa: PLR0917 - the columns of the statement
    status: str | None,
    attempt: int | None,
    ready_attempt: int | None,
    ready_queue: str | None,
    attempts: int | None,
    newest: int | None,
    succeeded: int | None,
) -> str:
    facts: Sequence[str] = (
        "no task" if status is None else f"{status}, attempt {attempt}",
        "not in ready" if ready_attempt is None else f"in ready for attempt {ready_attempt} in queue {ready_queue}",
        f"{attempts} attempts up to number {newest}, {succeeded} of them succeeded" if attempts else "no attempts",
    )
    return "; ".join(facts)
