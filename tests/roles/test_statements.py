"""Each statement that a module names goes with the role of each part that runs it, also those that only a race runs."""

import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from taskyard import statements
from taskyard.grants import API, DISPATCHER, GUARD, WORKER

RUN_BY = {
    API: """
        editing._QUEUE editing._MOVED editing._ENDED queues.COUNTS queues._OLDEST reading._ATTEMPTS submission._INSERT
        submission._INSERT_AUDITED submission._KEYED
    """,
    DISPATCHER: """
        canaries._SIGHTED consistency._DRIFT consistency._HOLD consistency._NEXT consistency._OVERDUE
        dispatching._MARK dispatching._NEXT_DUE dispatching._PICK dispatching._PROMOTE editing._MOVED
        finishing._FINISH mending._ADD mending._ATTEMPTS_OF_NOBODY mending._LAST_ATTEMPT mending._OUT_OF_READY
        mending._QUEUE mending._READY_AS_TASKS_SAY passes._END passes._FORGET passes._RECORD passes._SAVE
        queues.COUNTS queues._FOLD queues._OLDEST queues._OLDEST_RUNNING recovery._EXPIRED recovery._FAIL
        recovery._SETTLED recovery._TAKE_BACK retention._PRUNE submission._INSERT submission._KEYED
    """,
    WORKER: """
        claims._AWAIT claims._CANCELLATIONS claims._CLAIM claims._GIVE_BACK claims._HELD claims._PROGRESS
        claims._RENEW finishing._FINISH kinds._NOTE_RUN_TIMES verification._WRITE
    """,
    GUARD: "workers._OLDEST",
}
PARTS_OF_OTHERS = {"consistency._AMONG", "consistency._FIND", "consistency._IN_SLICE", "consistency._JUDGE"}
PARTS_OF_OTHERS |= {"passes._FACTS", "submission._ANSWER", "submission._RECORD"}


def named() -> Iterator[tuple[str, str]]:
    """Give each statement that a module of `taskyard.statements` has a name for."""
    for module in pkgutil.iter_modules(statements.__path__):
        for name, value in vars(importlib.import_module(f"taskyard.statements.{module.name}")).items():
            if (
                isinstance(value, str)
                and name.isupper()
                and re.match(r"\s*\(?(SELECT|INSERT|UPDATE|DELETE|WITH)\b", value)
            ):
                yield f"{module.name}.{name}", value


STATEMENTS = dict(named())


def test_it_is_known_of_each_statement_who_runs_it():
    assert {name for names in RUN_BY.values() for name in names.split()} | PARTS_OF_OTHERS == STATEMENTS.keys()


@pytest.mark.parametrize("role", list(RUN_BY))
def test_who_runs_a_statement_may(cursor_of, role):
    cursor = cursor_of(role)
    for name in RUN_BY[role].split():
        statement = STATEMENTS[name]
        values = [None] * statement.count("%s") or defaultdict(lambda: None)
        cursor.execute("EXPLAIN " + statement, values)
