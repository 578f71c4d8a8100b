"""Statements are planned once a connection, by key, and so that they fit when the tables have grown."""

import itertools

import pytest

from statements import factories as f
from taskyard.database import Session
from taskyard.outcomes import Move, Succeeded
from taskyard.prepared import BY_KEY, PLANNED_ANEW_S, Prepared
from taskyard.statements import claims, dispatching, finishing
from taskyard.statements.claims import Held
from taskyard.statements.dispatching import ReadyTask
from taskyard.statements.finishing import Ending
from waiting import eventually

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


HOT = [claims._await, claims._claim, claims._renew, claims._cancellations, finishing._finish, dispatching._mark]


@pytest.mark.parametrize("statement", HOT, ids=lambda each: each.name)
def test_a_table_that_was_empty_when_it_was_analysed_is_looked_up_by_key_all_the_same(session, by_key, statement):
    """PostgreSQL takes it for empty, however many rows it has got since, and all ways through it for the same."""
    f.insert(session, 1000)
    for table in ("tasks", "ready"):
        f.run_sql(session, f"DELETE FROM {table}")  # its pages stay
        f.run_sql(session, f"ANALYZE {table}")
    f.insert(session, 2000)
    by_key.run(lambda cursor: cursor.execute(statement.prepare))
    found = _plan(by_key, statement)
    assert "Join Filter" not in found
    for scan, then in itertools.pairwise([*found.splitlines(), ""]):
        if " on tasks " in scan or " on ready " in scan:
            assert "Update" in scan or "Delete" in scan or "LockRows" in scan or "Index Cond: (" in then


@pytest.mark.parametrize("statement", HOT, ids=lambda each: each.name)
def test_a_plan_made_for_small_tables_goes_through_none_but_by_an_index_on_it(session, by_key, statement):
    f.insert(session, 3)
    f.run_sql(session, "ANALYZE")
    by_key.run(lambda cursor: cursor.execute(statement.prepare))
    found = _plan(by_key, statement)
    assert "Index Scan using" in found
    assert "Seq Scan" not in found
    assert "tasks_status_ix" not in found


@pytest.mark.parametrize("before", [0, 3])
def test_plans_made_for_small_tables_are_made_anew_when_these_have_grown(session, by_key, before):
    if before:
        f.insert(session, before)
    f.run_sql(session, "ANALYZE")
    held = Held(1, 1)

    def use(cursor):
        claims.claim(cursor, [held], "default", "w", 30.0)
        claims.renew(cursor, [held], 30.0)
        finishing.finish(cursor, [Ending(held, Succeeded("1"), Move("succeeded"))])
        dispatching.mark_dispatched(cursor, "default", [(ReadyTask(1, 1, "sleep", 4, 0.0),)])

    by_key.run(use)
    f.insert(session, 5000)

    def all_go_by_key():
        by_key.run(use)
        plans = [_plan(by_key, each) for each in (claims._await, claims._claim, finishing._finish, claims._renew)]
        return all("Index Cond: (id = " in plan and "using tasks_pk" in plan for plan in plans) and (
            "Index Cond: (task_id = " in _plan(by_key, dispatching._mark)
        )

    eventually(all_go_by_key, "all statements look rows up by their keys", 4 * PLANNED_ANEW_S)


def _plan(session, statement) -> str:
    """Return the plan that the connection has for a statement that it has prepared."""

    def explain(cursor):
        cursor.execute(
            "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = %s", (statement.name,)
        )
        nulls = ", ".join(["NULL"] * cursor.fetchone()[0])
        cursor.execute(f"EXPLAIN EXECUTE {statement.name} ({nulls})")
        return "\n".join(line for (line,) in cursor.fetchall())

    return session.run(explain)


def test_two_statements_travel_together_and_the_second_answers(by_key):
    put = Prepared("put", "SELECT setval('numbers', %(number)s::integer)", "number")
    add = Prepared("add", "SELECT currval('numbers') + %(more)s::integer", "more")

    def run(cursor, number):
        add.execute(cursor, {"number": number, "more": 100}, after=put)
        return cursor.fetchone()[0]

    by_key.run(lambda cursor: cursor.execute("CREATE SEQUENCE numbers"))
    assert [by_key.run(run, number) for number in (1, 2, 3)] == [101, 102, 103]
