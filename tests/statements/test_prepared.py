"""Statements are planned once a connection, by key, and so that they fit when the tables have grown."""

import pytest

from statements import factories as f
from taskyard.database import Session
from taskyard.prepared import BY_KEY, Prepared
from taskyard.statements import claims, dispatching, finishing

ADDED = Prepared("added", "SELECT %(first)s::integer + 100 %% %(second)s::integer", "second", "first")


@pytest.fixture
def by_key(database_url, session):
    """A session as the parts have it."""
    made = Session(database_url, "test", options=BY_KEY)
    yield made
    made.close()


def _add(cursor, first, second):
    ADDED.execute(cursor, {"first": first, "second": second})
    return cursor.fetchone()[0]


def _prepared(cursor):
    cursor.execute("SELECT name, generic_plans, custom_plans FROM pg_prepared_statements")
    return cursor.fetchall()


def test_a_statement_is_prepared_once_for_each_connection(by_key):
    assert [by_key.run(_add, number, 7) for number in (1, 2, 3)] == [3, 4, 5]
    assert by_key.run(_prepared) == [(ADDED.name, 3, 0)]
    by_key.close()
    assert by_key.run(_add, 1, 7) == 3
    assert by_key.run(_prepared) == [(ADDED.name, 1, 0)]


def test_a_transaction_that_is_undone_leaves_the_statement_usable(by_key):
    def undo():
        with by_key.transaction() as cursor:
            raise ZeroDivisionError(_add(cursor, 1, 7))

    with pytest.raises(ZeroDivisionError):
        undo()
    assert by_key.run(_add, 1, 7) == 3


@pytest.mark.parametrize("statement", [claims._claim, finishing._finish, claims._renew, dispatching._mark])
def test_a_plan_made_for_small_tables_finds_rows_by_their_ids(session, by_key, statement):
    f.insert(session, 3)
    f.run_sql(session, "ANALYZE")

    def plan(cursor):
        cursor.execute(statement.prepare)
        cursor.execute("SELECT cardinality(parameter_types) FROM pg_prepared_statements")
        nulls = ", ".join(["NULL"] * cursor.fetchone()[0])
        cursor.execute(f"EXPLAIN EXECUTE {statement.name} ({nulls})")
        return "\n".join(line for (line,) in cursor.fetchall())

    found = by_key.run(plan)
    assert "using tasks_pk" in found or "using ready_pk" in found
    assert "Seq Scan" not in found
    assert "tasks_status_ix" not in found


def test_two_statements_travel_together_and_the_second_answers(by_key):
    put = Prepared("put", "SELECT setval('numbers', %(number)s::integer)", "number")
    add = Prepared("add", "SELECT currval('numbers') + %(more)s::integer", "more")

    def run(cursor, number):
        add.execute(cursor, {"number": number, "more": 100}, after=put)
        return cursor.fetchone()[0]

    by_key.run(lambda cursor: cursor.execute("CREATE SEQUENCE numbers"))
    assert [by_key.run(run, number) for number in (1, 2, 3)] == [101, 102, 103]
