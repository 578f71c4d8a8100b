"""Migrations beside parts that work: nobody waits for them long, whoever holds a table, and however large it is."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from statements import factories as f
from statements.versions import FIRST, LATER, bring_to
from taskyard import migrating, schema
from taskyard.database import Session
from taskyard.patience import LockedError
from waiting import eventually

ROWS = 1_000_000
AT_MOST = "-c lock_timeout=1s"  # who waits longer than that for a lock gets an error, whatever the machine does else
TABLES = ("tasks", "ready", "attempts", "moves", "kinds", "queues", "counters")
READS = tuple(f"SELECT count(*) FROM (SELECT FROM {table} LIMIT 1) AS one" for table in TABLES)
WRITES = (
    "UPDATE tasks SET name = 'new' WHERE id = 1",
    "UPDATE ready SET priority = 6 WHERE task_id = 1",
    "UPDATE attempts SET worker = 'w2' WHERE task_id = 1",
    "INSERT INTO moves (queue, source, target, tasks) VALUES ('default', NULL, 'queued', 1)",
    "UPDATE kinds SET announced_at = now() WHERE name = 'sleep'",
    "UPDATE queues SET paused = false WHERE name = 'default'",
    "INSERT INTO counters VALUES ('default', 'queued', 1) ON CONFLICT (queue, status) DO UPDATE SET tasks = 1",
)
FILLING = (
    f"""INSERT INTO tasks (run_at, finished_at, timeout_s, max_attempts, priority, status, name, kind, queue, payload)
        SELECT now(), now(), 60, 3, 5, 'succeeded', 'old', 'sleep', 'default', '{{}}'
          FROM generate_series(1, {ROWS})""",
    f"""INSERT INTO ready (task_id, run_at, attempt, priority, queue, kind)
        SELECT n, now(), 1, 5, 'default', 'sleep' FROM generate_series(1, {ROWS}) AS n""",
    f"""INSERT INTO attempts (task_id, attempt, started_at, ended_at, outcome, worker)
        SELECT n, 1, now(), now(), 'succeeded', 'w1' FROM generate_series(1, {ROWS}) AS n""",
    f"""INSERT INTO moves (queue, source, target, tasks)
        SELECT 'default', 'running', 'succeeded', 1 FROM generate_series(1, {ROWS})""",
)


def fill(url):
    """Have a million rows in each table that grows; its indexes are made when they are there, which is faster."""
    session = Session(url, "filling", statement_timeout_s=120)
    indexes = f.rows(
        session,
        """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
            WHERE indrelid = ANY('{tasks,ready,attempts,moves}'::regclass[]) AND NOT indisprimary""",
    )
    for index, _ in indexes:
        f.run_sql(session, f"DROP INDEX {index}")
    for statement in [*FILLING, *(definition for _, definition in indexes), "ANALYZE"]:
        f.run_sql(session, statement)
    session.close()


class Traffic:
    """Statements that go round and round in a thread, each a transaction of its own."""

    def __init__(self, url, name, statements):
        self.rounds = 0
        self.longest_s = 0.0
        self._session = Session(url, name, options=AT_MOST)
        self._statements = statements

    def run(self, stop):
        while not stop.is_set():
            for statement in self._statements:
                asked = time.monotonic()
                f.run_sql(self._session, statement)
                self.longest_s = max(self.longest_s, time.monotonic() - asked)
            self.rounds += 1
        self._session.close()


@contextmanager
def traffic(url) -> Iterator[list[Traffic]]:
    """Have somebody read all tables and somebody write to them meanwhile; fail where one of them waited too long."""
    both, stop = [Traffic(url, "writer", WRITES), Traffic(url, "reader", READS)], threading.Event()
    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(one.run, stop) for one in both]
        try:
            further(both)
            yield both
            further(both)
        finally:
            stop.set()
        for one in running:
            one.result()


def further(both):
    """Wait until both have gone all the way round again."""
    before = [one.rounds for one in both]
    eventually(lambda: all(one.rounds > was + 1 for one, was in zip(both, before, strict=True)), "reads and writes")


def files_of(session):
    """In which files the tables and indexes lie; one that is written anew gets another."""
    names = "SELECT relname, relfilenode FROM pg_class WHERE relkind IN ('r', 'i') AND relname !~ '^(pg_|alembic)'"
    return {(name, file) for name, file in f.rows(session, names) if file}


@pytest.fixture
def first_url(empty_url):
    """The URL of a database with the first version of the tables."""
    bring_to(empty_url, FIRST)
    return empty_url


def test_no_migration_has_anybody_wait_for_a_second_at_a_million_rows(first_url):
    fill(first_url)
    session = Session(first_url, "test")
    assert f.rows(session, "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM moves)") == [(ROWS, ROWS)]
    before = files_of(session)
    with traffic(first_url) as both:
        for revision in LATER:
            bring_to(first_url, revision)
            further(both)
    print({one._session._dsn["application_name"]: round(one.longest_s, 3) for one in both})  # noqa: T201
    assert session.run(schema.current) == schema.REVISION
    assert before - files_of(session) == set(), "a table was written anew, or an index lost"
    session.close()


@pytest.mark.parametrize("held", ["kinds", "moves"])
def test_a_transaction_that_is_left_open_holds_up_the_migration_and_nobody_else(first_url, held):
    """Tables that a migration changes; without patience all others would queue up behind it."""
    session, forgotten = Session(first_url, "test"), Session(first_url, "forgotten")
    said: list[str] = []
    with ThreadPoolExecutor(1) as thread, traffic(first_url) as both:
        with forgotten.transaction() as cursor:
            cursor.execute(f"SELECT FROM {held}")
            ended = thread.submit(migrating.migrate, first_url, say=said.append)
            eventually(lambda: len(said) > 1, "it gave up twice")
            further(both)
            assert not ended.done()
        assert ended.result(60) == schema.REVISION
    assert "the oldest transaction: forgotten, process " in said[0]
    session.close()


def test_a_migration_that_gets_no_lock_ends_and_has_changed_nothing(first_url):
    session, forgotten = Session(first_url, "test"), Session(first_url, "forgotten")
    with forgotten.transaction() as cursor:
        cursor.execute("SELECT FROM moves")
        with pytest.raises(LockedError, match="in use for 0 s; the oldest transaction: forgotten, process "):
            bring_to(first_url, LATER[0], patience_s=0.0)
        assert session.run(schema.current) == FIRST
    bring_to(first_url, LATER[0])
    assert session.run(schema.current) == LATER[0]
    session.close()
