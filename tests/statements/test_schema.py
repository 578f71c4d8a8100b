"""Migrations: safe when many start them at once, and the code knows which version it needs."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from conftest import execute
from statements import factories as f
from taskyard import schema
from taskyard.database import Session
from taskyard.handlers import load
from taskyard_worker.builtin import MODULES
from taskyard_worker.cli import catalogue_entry


@pytest.fixture
def empty_url(postgresql):
    """The URL of a database without tables."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    execute(postgresql, f"CREATE DATABASE {name}")
    yield make_url(postgresql.url).set(database=name).render_as_string(hide_password=False)
    execute(postgresql, f"DROP DATABASE {name} WITH (FORCE)")


def test_many_may_migrate_at_once(empty_url):
    with ThreadPoolExecutor(6) as threads:
        versions = list(threads.map(lambda _: schema.migrate(empty_url), range(6)))
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
