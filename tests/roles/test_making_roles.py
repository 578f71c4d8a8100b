"""Roles where there are none yet: an installation with one user for everything, and `taskyard migrate --make-roles`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest
from sqlalchemy.engine import make_url

from roles.conftest import connect
from taskyard import grants, migrating, schema
from taskyard.database import Session
from taskyard.local.postgresql import PostgreSQL

PASSWORD = "hunter2"


class Bare:
    """A server without any role of Taskyard, and a database on it that an ordinary user owns."""

    def __init__(self, server: PostgreSQL) -> None:
        self.server = server
        with closing(connect(server.url, "postgres")) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute("DROP DATABASE IF EXISTS shop WITH (FORCE)")
            for role in (*grants.ROLES, "shop", "shop_worker"):
                cursor.execute(f"DROP ROLE IF EXISTS {role}")
            cursor.execute(f"CREATE ROLE shop LOGIN PASSWORD '{PASSWORD}'")
            cursor.execute("CREATE DATABASE shop OWNER shop")
        self.url = self.url_of("shop")

    def url_of(self, user: str) -> str:
        url = make_url(self.server.url).set(username=user, password=PASSWORD, database="shop")
        return url.render_as_string(hide_password=False)

    def administer(self, statement: str) -> None:
        with closing(connect(self.server.url, "shop")) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    def roles(self) -> dict[str, bool]:
        """Return the roles of Taskyard that there are, and whether one can log in as them."""
        with closing(connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname = ANY(%s)", (list(grants.ROLES),))
            return dict(cursor.fetchall())


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[PostgreSQL]:
    made = PostgreSQL(tmp_path_factory.mktemp("bare"), None, settings={"fsync": "off"})
    made.start()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def bare(server) -> Bare:
    return Bare(server)


def _migrate(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "taskyard", "migrate", *options],
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_one_user_for_everything_goes_on_without_any_role(bare):
    assert migrating.migrate(bare.url) == schema.REVISION
    assert bare.roles() == {}
    session = Session(bare.url, "test")
    assert session.run(schema.usable) == schema.REVISION
    session.close()


def test_a_user_that_may_make_roles_makes_groups_whose_members_have_their_rights(bare):
    bare.administer("ALTER ROLE shop CREATEROLE")
    ran = _migrate(bare.url, "--make-roles")
    assert ran.returncode == 0, ran.stderr
    assert bare.roles() == dict.fromkeys(grants.ROLES, False)
    bare.administer(f"CREATE ROLE shop_worker LOGIN PASSWORD '{PASSWORD}' IN ROLE taskyard_worker")
    with closing(connect(bare.url_of("shop_worker"))) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO verify_writes (task_id, attempt, worker) VALUES (1, 1, 'w')")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SELECT FROM api_keys")
    assert _migrate(bare.url, "--make-roles").returncode == 0


def test_a_user_that_may_not_make_roles_is_told_what_to_do(bare):
    ran = _migrate(bare.url, "--make-roles")
    assert ran.returncode == 1
    assert "taskyard migrate: this user may not make roles: give it CREATEROLE" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert bare.roles() == {}


def test_a_role_of_a_part_that_owns_the_tables_keeps_all_its_rights(bare):
    """As where the one user of an old installation happens to have such a name."""
    bare.administer(f"CREATE ROLE taskyard_worker LOGIN PASSWORD '{PASSWORD}'")
    bare.administer("ALTER DATABASE shop OWNER TO taskyard_worker")
    migrating.migrate(bare.url_of("taskyard_worker"))
    migrating.migrate(bare.url_of("taskyard_worker"))
    with closing(connect(bare.url_of("taskyard_worker"))) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM api_keys")


def test_a_migration_may_wait_for_roles_that_somebody_else_makes(bare):
    """They would get nothing of the tables if they came after it."""
    with pytest.raises(grants.RolesError, match="no role taskyard_api"):
        migrating.migrate(bare.url, wait_s=0, await_roles=True)
    with ThreadPoolExecutor(1) as thread:
        migrated = thread.submit(migrating.migrate, bare.url, 60, await_roles=True)
        for role in grants.ROLES:
            bare.administer(f"CREATE ROLE {role}")
        assert migrated.result(60) == schema.REVISION
    with closing(connect(bare.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege('taskyard_api', 'api_keys', 'INSERT')")
        assert cursor.fetchone() == (True,)
