"""Migrations: safe when many start them at once, and the code knows which version it needs."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from statements import factories as f
from taskyard import migrating, schema
from taskyard.database import Session
from taskyard.handlers import load
from taskyard_worker.builtin import MODULES
from taskyard_worker.cli import catalogue_entry
from waiting import eventually


def test_many_may_migrate_at_once(empty_url):
    with ThreadPoolExecutor(6) as threads:
        versions = list(threads.map(lambda _: migrating.migrate(empty_url), range(6)))
    assert versions == [schema.REVISION] * 6
    session = Session(empty_url, "test")
    assert session.run(schema.current) == schema.REVISION
    assert f.rows(session, "SELECT count(*) FROM kinds") == [(5,)]
    session.close()


def test_old_tables_are_refused_with_what_to_do(empty_url):
    session = Session(empty_url, "test")
    with pytest.raises(schema.SchemaError, match="taskyard migrate"):
        schema.wait_until_usable(session, wait_s=0)
    session.close()


def test_the_version_that_the_code_needs_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.REVISION


def test_the_kinds_of_the_migration_are_those_that_a_worker_announces(session):
    known = f.rows(
        session, "SELECT name, queue, timeout_s, max_attempts, payload_schema, description FROM kinds ORDER BY name"
    )
    built_in = [catalogue_entry(load(MODULES)[name]) for (name, *_) in known]
    assert known == [
        tuple(
            entry[column] for column in ("name", "queue", "timeout_s", "max_attempts", "payload_schema", "description")
        )
        for entry in built_in
    ]


def test_every_table_and_constraint_has_a_name_and_every_table_a_comment(session):
    uncommented = f.rows(
        session,
        """SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
              AND relname <> 'alembic_version' AND obj_description(oid) IS NULL""",
    )
    assert uncommented == []
    unnamed = f.rows(
        session,
        """SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
              AND conname !~ '_(pk|fk|ck|uq|pkc)$'""",
    )
    assert unnamed == []


def _taskyard(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "taskyard", *words]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


def test_tables_of_a_newer_version_are_left_alone(session, database_url):
    """The version before runs on them, so that an upgrade can be undone."""
    f.run_sql(session, "UPDATE alembic_version SET version_num = '9999'")
    before = f.rows(session, "SELECT count(*) FROM pg_class")
    assert migrating.migrate(database_url) == "9999"
    ran = _taskyard("migrate", DATABASE_URL=database_url)
    assert (ran.returncode, "nothing was changed" in ran.stdout) == (0, True)
    assert f.rows(session, "SELECT version_num FROM alembic_version") == [("9999",)]
    assert f.rows(session, "SELECT count(*) FROM pg_class") == before
    assert _taskyard("wait-for-schema", "--wait-s", "0", DATABASE_URL=database_url).returncode == 0


def test_waiting_for_the_tables_ends_when_they_are_there(empty_url):
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(_taskyard, "wait-for-schema", "--wait-s", "50", DATABASE_URL=empty_url)
        session = Session(empty_url, "test")
        asks = "SELECT FROM pg_stat_activity WHERE application_name = 'taskyard wait-for-schema'"
        eventually(lambda: f.rows(session, asks), "it asks")
        session.close()
        assert not waiting.done()
        migrating.migrate(empty_url)
        ran = waiting.result(60)
    assert (ran.returncode, ran.stdout) == (0, f"The tables are at version {schema.REVISION}.\n")
    assert "Waits: the tables are at version None" in ran.stderr


def test_waiting_in_vain_says_for_what(empty_url):
    ran = _taskyard("wait-for-schema", "--wait-s", "0.5", DATABASE_URL=empty_url)
    assert ran.returncode == 1
    assert "taskyard wait-for-schema: the tables are at version None" in ran.stderr
    nobody = "postgresql://nobody:hunter2@127.0.0.1:1/none"
    for words in (("wait-for-schema", "--wait-s", "0.5"), ("migrate", "--wait-s", "0.5")):
        ran = _taskyard(*words, DATABASE_URL=nobody)
        assert (ran.returncode, "PostgreSQL is away" in ran.stderr) == (1, True)
        assert "Traceback" not in ran.stderr
        assert "hunter2" not in ran.stderr


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_url_may_leave_out_the_driver_and_the_password(empty_url, scheme):
    """Operators write the URL into secrets their way; libpq's variables hold for what it leaves out."""
    parts = make_url(empty_url)
    url = f"{scheme}://{parts.username}@{parts.host}:{parts.port}/{parts.database}"
    for command in ("migrate", "wait-for-schema"):
        ran = _taskyard(command, "--wait-s", "5", DATABASE_URL=url, PGPASSWORD=parts.password)
        assert (ran.returncode, ran.stderr) == (0, "")
    assert _taskyard("wait-for-schema", "--wait-s", "0", DATABASE_URL=url, PGPASSWORD="wrong").returncode == 1


def test_the_url_of_something_else_is_refused_without_being_shown():
    ran = _taskyard("migrate", DATABASE_URL="mysql://root:hunter2@127.0.0.1/db")
    assert ran.returncode == 1
    assert "must begin with postgresql://" in ran.stderr
    assert "hunter2" not in ran.stderr
