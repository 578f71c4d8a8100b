"""What each part's role may not do in PostgreSQL. That it may do what it needs, tests/e2e shows.

The first test says it in words. The next two hold every table, column and statement against `taskyard.grants`.
"""

import psycopg2
import psycopg2.errors
import pytest
from psycopg2 import sql
from sqlalchemy.engine import make_url

from taskyard import grants, migrating, schema
from taskyard.database import Session
from taskyard.grants import API, DISPATCHER, GUARD, WORKER

REFUSED = [
    # The API takes no part in running, and the audit is out of its hands once it is written.
    (API, "UPDATE tasks SET lease_until = now()"),
    (API, "UPDATE tasks SET attempt = attempt + 1"),
    (API, "UPDATE tasks SET worker = 'mine'"),
    (API, "UPDATE tasks SET kind = 'sleep'"),
    (API, "INSERT INTO attempts DEFAULT VALUES"),
    (API, "UPDATE attempts SET outcome = 'succeeded'"),
    (API, "UPDATE audit SET actor = 'somebody'"),
    (API, "DELETE FROM audit"),
    (API, "INSERT INTO audit (at, actor, action) VALUES ('2020-01-01', 'a', 'task.submit')"),
    (API, "DELETE FROM api_keys"),
    (API, "UPDATE api_keys SET scopes = '{admin}'"),
    (API, "UPDATE api_keys SET hash = hash"),
    (API, "INSERT INTO kinds SELECT * FROM kinds"),
    (API, "UPDATE kinds SET redact = '{}'"),
    (API, "INSERT INTO queues (name) VALUES ('mine')"),
    (API, "UPDATE counters SET tasks = 0"),
    (API, "DELETE FROM moves"),
    (API, "DELETE FROM violations"),
    (API, "SELECT * FROM verify_writes"),
    # The dispatcher changes nothing of what a task is to do, and knows neither keys nor deeds.
    (DISPATCHER, "UPDATE tasks SET payload = '{}'"),
    (DISPATCHER, "UPDATE tasks SET name = 'mine'"),
    (DISPATCHER, "UPDATE tasks SET queue = 'mine'"),
    (DISPATCHER, "UPDATE tasks SET attempt = attempt + 1"),
    (DISPATCHER, "UPDATE attempts SET outcome = 'succeeded'"),
    (DISPATCHER, "UPDATE kinds SET queue = 'default'"),
    (DISPATCHER, "UPDATE queues SET paused = true"),
    (DISPATCHER, "SELECT * FROM api_keys"),
    (DISPATCHER, "SELECT * FROM audit"),
    (DISPATCHER, "INSERT INTO audit (actor, action) VALUES ('a', 'task.submit')"),
    # A worker makes no work, undoes none, and sees neither keys nor deeds.
    (WORKER, "INSERT INTO tasks DEFAULT VALUES"),
    (WORKER, "DELETE FROM tasks"),
    (WORKER, "UPDATE tasks SET payload = '{}'"),
    (WORKER, "UPDATE tasks SET queue = 'mine'"),
    (WORKER, "UPDATE tasks SET max_attempts = 1000"),
    (WORKER, "UPDATE tasks SET cancel_requested_at = NULL"),
    (WORKER, "INSERT INTO ready DEFAULT VALUES"),
    (WORKER, "UPDATE ready SET priority = 9"),
    (WORKER, "SELECT queue FROM ready"),
    (WORKER, "SELECT * FROM attempts"),
    (WORKER, "DELETE FROM attempts"),
    (WORKER, "UPDATE attempts SET outcome = 'succeeded'"),
    (WORKER, "DELETE FROM kinds"),
    (WORKER, "UPDATE queues SET paused = true"),
    (WORKER, "INSERT INTO queues (name, paused) VALUES ('mine', true)"),
    (WORKER, "SELECT * FROM counters"),
    (WORKER, "SELECT * FROM moves"),
    (WORKER, "DELETE FROM moves"),
    (WORKER, "SELECT * FROM api_keys"),
    (WORKER, "UPDATE api_keys SET revoked_at = NULL"),
    (WORKER, "SELECT * FROM audit"),
    (WORKER, "INSERT INTO audit (actor, action) VALUES ('a', 'task.submit')"),
    (WORKER, "INSERT INTO violations (rule, detail) VALUES ('a', 'b')"),
    (WORKER, "UPDATE verify_writes SET attempt = 1"),
    (WORKER, "DELETE FROM verify_writes"),
    # The guard sees who is busy since when, and nothing of what.
    (GUARD, "SELECT payload FROM tasks"),
    (GUARD, "SELECT name FROM tasks"),
    (GUARD, "UPDATE tasks SET worker = 'mine'"),
    (GUARD, "SELECT * FROM ready"),
    (GUARD, "SELECT * FROM api_keys"),
    # Nobody but the owner touches the tables themselves, or says which version they are.
    *(
        (role, statement)
        for role in grants.ROLES
        for statement in (
            "UPDATE alembic_version SET version_num = '9999'",
            "TRUNCATE tasks",
            "ALTER TABLE tasks DISABLE TRIGGER ALL",
            "DROP TRIGGER audit_only_grows ON audit",
            "DROP TABLE tasks",
            "CREATE TABLE mine (one int)",
            "CREATE ROLE mine",
            "SET ROLE taskyard",
            "COPY tasks TO PROGRAM 'cat'",
        )
    ),
]


@pytest.mark.parametrize(("role", "statement"), REFUSED)
def test_no_role_does_what_its_part_does_not(cursor_of, role, statement):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor_of(role).execute(statement)


EVERY_COLUMN = """
    SELECT relname, attname, attidentity = 'a' FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
     WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
"""
STATEMENTS = {
    "SELECT": "SELECT {column} FROM {table} LIMIT 0",
    "INSERT": "INSERT INTO {table} ({column}) SELECT NULL WHERE false",
    "UPDATE": "UPDATE {table} SET {column} = DEFAULT WHERE false",
    "DELETE": "DELETE FROM {table} WHERE false",
    "TRUNCATE": "TRUNCATE {table}",
}


def allowed(role, table, statement, column):
    """Whether the table of grants names it, for the whole table or for the column."""
    for privilege in grants.GRANTS[role].get(table, ()):
        word, _, columns = privilege.partition(" (")
        if word == statement and (not columns or column in columns.rstrip(")").split(", ")):
            return True
    return False


def goes(cursor, statement, table, column):
    """Whether the server lets the statement through; what else is wrong with it does not matter."""
    cursor.execute("SAVEPOINT before")
    try:
        cursor.execute(sql.SQL(statement).format(table=sql.Identifier(table), column=sql.Identifier(column)))
    except psycopg2.errors.InsufficientPrivilege:
        return False
    except psycopg2.Error:
        return True
    finally:
        cursor.execute("ROLLBACK TO before")
    return True


@pytest.mark.parametrize("role", grants.ROLES)
def test_each_role_may_do_what_the_table_of_grants_says_and_nothing_else(cursor_of, owner, role):
    owner.execute(EVERY_COLUMN)
    columns = owner.fetchall()
    assert {table for table, _, _ in columns} >= set(grants.TABLES)
    cursor = cursor_of(role)
    wrong = [
        (statement, table, column)
        for table, column, generated in columns
        for statement, text in STATEMENTS.items()
        # A number that is always the server's own is refused before anybody asks for rights.
        if not (generated and statement in {"INSERT", "UPDATE"})
        and goes(cursor, text, table, column) != allowed(role, table, statement, column)
    ]
    assert wrong == []


def test_what_a_role_has_beyond_its_needs_is_taken_at_the_next_migration(database_url, cursor_of, owner):
    owner.execute("GRANT ALL ON audit, api_keys TO taskyard_worker")
    owner.execute("GRANT UPDATE (payload) ON tasks TO taskyard_worker")
    migrating.migrate(database_url)
    for statement in ("SELECT FROM api_keys", "DELETE FROM audit", "UPDATE tasks SET payload = '{}'"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor_of(WORKER).execute(statement)


def test_a_role_that_came_after_the_tables_gets_its_rights_at_the_next_migration(
    postgresql, database_url, cursor_of, owner
):
    """Until then a part says what to do, and goes on by itself once that is done."""
    owner.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM taskyard_dispatcher")
    url = make_url(postgresql.url_of(DISPATCHER)).set(database=make_url(database_url).database)
    session = Session(url.render_as_string(hide_password=False), "test")
    with pytest.raises(schema.SchemaError, match="taskyard migrate"):
        schema.wait_until_usable(session, wait_s=0)
    migrating.migrate(database_url)
    assert schema.wait_until_usable(session, wait_s=0) == schema.REVISION
    session.close()
    cursor_of(DISPATCHER).execute("DELETE FROM ready")
