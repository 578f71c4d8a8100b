"""Tables as long use leaves them: by few statements over many rows, whose indexes are made when the rows are there.

Nothing else may use the tables meanwhile: their keys are gone for a while, and whoever asks would read all rows.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from taskyard.database import Session

Say = Callable[[str], None]

_WRITERS: Final = 2
_SLICE: Final = 100_000
_FAST: Final = "-c work_mem=64MB -c maintenance_work_mem=512MB"
_MOST_WAL: Final = "32GB"
_TABLES: Final = "{tasks,ready,attempts}"

QUEUES: Final = ("mail", "web")
"""Queues that a history has beside `default`."""

# A week of an installation. Of a hundred tasks 96 succeeded, three of them at their second attempt; three failed by all
# of their attempts, a minute from one to the next, and one was cancelled while it waited. Each tenth came with a key.
_HISTORY: Final = """
    WITH numbered AS (
        SELECT id, hashint8(id) & 2147483647 AS dice, hashint8(-id) & 2147483647 AS other,
               %(until)s - (%(tasks)s - id) * (interval '7 days' / %(tasks)s) AS created_at
          FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS id
    ), judged AS (
        SELECT *,
               CASE WHEN dice %% 100 < 96 THEN 'succeeded' WHEN dice %% 100 < 99 THEN 'failed' ELSE 'cancelled' END
                   AS status,
               ('{http.request,http.request,http.request,http.request,data.process,data.process,email.send,email.send,'
                'image.thumbnail,sleep}'::text[])[1 + other %% 10] AS kind
          FROM numbered
    ), tried AS (
        SELECT judged.*, kinds.max_attempts, kinds.timeout_s,
               CASE status WHEN 'cancelled' THEN 0 WHEN 'failed' THEN kinds.max_attempts
                           ELSE 1 + (dice %% 100 < 3)::integer END AS attempt
          FROM judged JOIN kinds ON kinds.name = kind
    ), timed AS (
        SELECT *, created_at + greatest(0, attempt - 1) * interval '1 minute' AS due_at,
               dice %% 2000 * interval '1 millisecond' AS waited, other %% 3000 * interval '1 millisecond' AS took
          FROM tried
    ), recorded AS (
        INSERT INTO tasks (id, created_at, run_at, queued_at, started_at, finished_at, timeout_s, attempt, max_attempts,
                           priority, status, reason, name, kind, queue, worker, error_type, error_message,
                           idempotency_key, request_hash, tags, payload, result)
        SELECT id, created_at, due_at, due_at, CASE WHEN attempt > 0 THEN due_at + waited END, due_at + waited + took,
               timeout_s, attempt, max_attempts, CASE WHEN dice %% 20 = 0 THEN 7 ELSE 4 END, status,
               CASE status WHEN 'failed' THEN 'error' WHEN 'cancelled' THEN 'cancelled' END,
               'order ' || id, kind,
               CASE kind WHEN 'http.request' THEN 'web' WHEN 'email.send' THEN 'mail' ELSE 'default' END,
               CASE WHEN attempt > 0 THEN 'worker-' || dice %% 8 END,
               CASE status WHEN 'failed' THEN 'ConnectionError' END,
               CASE status WHEN 'failed' THEN 'the other side closed the connection' END,
               CASE WHEN other %% 10 = 7 THEN md5(id::text) END,
               CASE WHEN other %% 10 = 7 THEN sha256(id::text::bytea) END,
               CASE WHEN dice %% 5 = 0 THEN ARRAY['customer-' || other %% 1000] ELSE '{}' END,
               ('{"url": "https://shop.example/orders/' || id || '", "method": "GET"}')::jsonb,
               CASE status WHEN 'succeeded' THEN ('{"status": 200, "bytes": ' || other %% 100000 || '}')::jsonb END
          FROM timed
     RETURNING id, attempt, status, started_at, finished_at, worker
    )
    INSERT INTO attempts (task_id, attempt, started_at, ended_at, outcome, reason, worker, error_type, error_message,
                          traceback)
    SELECT id, number, started_at - earlier, finished_at - earlier, outcome,
           CASE outcome WHEN 'failed' THEN 'error' END, worker,
           CASE outcome WHEN 'failed' THEN 'ConnectionError' END,
           CASE outcome WHEN 'failed' THEN 'the other side closed the connection' END,
           CASE outcome WHEN 'failed' THEN repeat(E'  File "shop/tasks.py", line 17, in fetch\\n', 12) END
      FROM recorded, generate_series(1, attempt) AS number,
           LATERAL (SELECT (attempt - number) * interval '1 minute' AS earlier,
                           CASE WHEN number = attempt AND status = 'succeeded' THEN 'succeeded' ELSE 'failed' END
                               AS outcome) AS ended
"""

# What a submission leaves, see `taskyard.statements.submission`.
_WAITING: Final = """
    WITH recorded AS (
        INSERT INTO tasks (name, kind, queue, priority, run_at, queued_at, max_attempts, timeout_s, payload, status)
        SELECT 'bench', kinds.name, kinds.queue, 4, now(), now(), max_attempts, timeout_s, '{}', 'queued'
          FROM generate_series(%(first)s::bigint, %(last)s::bigint), kinds
         WHERE kinds.name = 'sleep'
     RETURNING id, run_at, priority, queue, kind
    ), waiting AS (
        INSERT INTO ready (task_id, run_at, attempt, priority, queue, kind)
        SELECT id, run_at, 1, priority, queue, kind FROM recorded
    )
    INSERT INTO moves (queue, source, target, tasks)
    SELECT queue, NULL, 'queued', count(*) FROM recorded GROUP BY queue
"""

# What belongs to a constraint goes and comes with that.
_INDEXES: Final = """
    SELECT coalesce('ALTER TABLE ' || indrelid::regclass || ' DROP CONSTRAINT ' || quote_ident(conname),
                    'DROP INDEX ' || indexrelid::regclass),
           coalesce('ALTER TABLE ' || indrelid::regclass || ' ADD CONSTRAINT ' || quote_ident(conname) || ' '
                                   || pg_get_constraintdef(pg_constraint.oid),
                    pg_get_indexdef(indexrelid))
      FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid
     WHERE indrelid = ANY(%s::regclass[])
     ORDER BY indexrelid
"""


def empty(url: str) -> None:
    """Leave no task, and nothing that tells of one; the next id is 1."""
    with _session(url) as session:
        _run(session, "TRUNCATE tasks, ready, attempts, moves, counters RESTART IDENTITY")
        _run(session, "ANALYZE tasks, ready, attempts")


def history(url: str, tasks: int, say: Say) -> None:
    """Have the tables hold `tasks` that ended during the last week, and nothing else; their ids are 1 to `tasks`.

    Most pages have room for one more row, which new tasks take first: a page for each, where those of a table that grew
    and was vacuumed share theirs. So it is harder on new tasks than what long use leaves.
    """
    with _filled(url, say) as session:
        _run(session, "INSERT INTO queues (name) SELECT unnest(%s) ON CONFLICT DO NOTHING", list(QUEUES))
        [(until,)] = _run(session, "SELECT now() - interval '1 hour'")
        _by_slices(url, _HISTORY, {"tasks": tasks, "until": until}, tasks, say)
        _run(session, "SELECT setval(pg_get_serial_sequence('tasks', 'id'), %s)", tasks)
        _run(session, "INSERT INTO counters SELECT queue, status, count(*) FROM tasks GROUP BY queue, status")


def waiting(url: str, tasks: int, say: Say) -> None:
    """Have the tables hold `tasks` of the kind `sleep` as their submission leaves them, due, and nothing else."""
    with _filled(url, say):
        _by_slices(url, _WAITING, {}, tasks, say)


@contextmanager
def _filled(url: str, say: Say) -> Iterator[Session]:
    """Give a session while the tables are empty and without indexes; bring all in order afterwards."""
    empty(url)
    with _session(url) as session, _without_checkpoints(session):
        indexes = _run(session, _INDEXES, _TABLES)
        for drop, _ in indexes:
            _run(session, drop)
        yield session
        say("indexes")
        for _, make in indexes:  # in their old order, since PostgreSQL looks at them in that
            _run(session, make)
        _run(session, "VACUUM (ANALYZE) tasks, ready, attempts")
        _run(session, "CHECKPOINT")


@contextmanager
def _without_checkpoints(session: Session) -> Iterator[None]:
    """Let WAL gather meanwhile, rather than have PostgreSQL wait for the disk after each gigabyte."""
    _run(session, f"ALTER SYSTEM SET max_wal_size = '{_MOST_WAL}'")
    _run(session, "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        _run(session, "ALTER SYSTEM RESET max_wal_size")
        _run(session, "SELECT pg_reload_conf()")


def _by_slices(url: str, statement: str, values: dict[str, Any], tasks: int, say: Say) -> None:
    """Run `statement` for 1 to `tasks`, some at a time: as many at once as there are writers."""
    local = threading.local()
    sessions: list[Session] = []

    def write(first: int) -> None:
        if not hasattr(local, "session"):
            local.session = _open(url)
            sessions.append(local.session)
        last = min(first + _SLICE - 1, tasks)
        local.session.run(lambda cursor: cursor.execute(statement, {**values, "first": first, "last": last}))

    firsts: Sequence[int] = range(1, tasks + 1, _SLICE)
    with ThreadPoolExecutor(_WRITERS) as threads:
        for number, _ in enumerate(threads.map(write, firsts), 1):
            if number * 10 // len(firsts) > (number - 1) * 10 // len(firsts):
                say(f"{min(number * _SLICE, tasks):,} of {tasks:,} tasks")
    for session in sessions:
        session.close()


def _run(session: Session, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    def run(cursor: Any) -> list[tuple[Any, ...]]:
        cursor.execute(statement, values or None)
        return list(cursor.fetchall()) if cursor.description else []

    return session.run(run)


def _open(url: str) -> Session:
    return Session(url, "bench filling", statement_timeout_s=0, options=_FAST)


@contextmanager
def _session(url: str) -> Iterator[Session]:
    session = _open(url)
    try:
        yield session
    finally:
        session.close()
