"""What a migration leaves, the version before can go on with: things are added, and nothing that it uses is changed.

Contracting, which takes away what no version uses any more, is to be named in `CONTRACTED`.
"""

import pytest

from statements import factories as f
from statements.versions import FIRST, LATER, bring_to
from taskyard.database import Session

CONTRACTED: dict[str, set[str]] = {}
"""By revision: what it takes away, as `table.column` or the name of a constraint, index or trigger. Its version and the
one before use none of that."""

COLUMNS = """
    SELECT relname || '.' || attname, relname, format_type(atttypid, atttypmod), attnotnull,
           coalesce(pg_get_expr(adbin, adrelid), nullif(attidentity::text, ''))
      FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
      LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
     WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
"""
RULES = """
    SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
     WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL
    SELECT indexrelid::regclass::text, indrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
     WHERE indisunique AND indrelid::regclass::text !~ '^pg_'
    UNION ALL
    SELECT tgname, tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
"""


class Tables:
    """The tables as whoever writes to them meets them."""

    def __init__(self, session):
        columns = f.rows(session, COLUMNS)
        self.names = {table for _, table, *_ in columns}
        self.columns = {name: (table, kind, required, default) for name, table, kind, required, default in columns}
        self.rules = {name: (table, definition) for name, table, definition in f.rows(session, RULES)}


def faults(before, after, contracted=frozenset()):
    """Return what the version before would stumble over."""
    kept = [(before.columns, after.columns), (before.rules, after.rules)]
    changed = [
        f"{name}: was {was}, is {now.get(name)}"
        for then, now in kept
        for name, was in then.items()
        if name not in contracted and now.get(name) != was
    ]
    to_fill_in = [
        f"{name}: must be filled in, which the version before does not do"
        for name, (table, _, required, default) in after.columns.items()
        if name not in before.columns and table in before.names and required and default is None
    ]
    new_rules = [
        f"{name}: the version before may break the new rule {definition}"
        for name, (table, definition) in after.rules.items()
        if name not in before.rules and table in before.names
    ]
    return changed + to_fill_in + new_rules


@pytest.mark.parametrize("revision", LATER)
def test_the_version_before_goes_on_with_the_tables_of_the_next(empty_url, revision):
    session = Session(empty_url, "test")
    bring_to(empty_url, [FIRST, *LATER][LATER.index(revision)])
    before = Tables(session)
    bring_to(empty_url, revision)
    assert faults(before, Tables(session), CONTRACTED.get(revision, set())) == []
    session.close()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("ALTER TABLE moves DROP COLUMN source", "moves.source: was"),
        ("ALTER TABLE moves RENAME COLUMN source TO origin", "moves.source: was"),
        ("ALTER TABLE moves ALTER COLUMN tasks TYPE bigint", "moves.tasks: was"),
        ("ALTER TABLE moves ALTER COLUMN source SET NOT NULL", "moves.source: was"),
        ("ALTER TABLE queues ALTER COLUMN paused DROP DEFAULT", "queues.paused: was"),
        ("ALTER TABLE moves ADD COLUMN by text NOT NULL", "moves.by: must be filled in"),
        ("ALTER TABLE moves ADD CONSTRAINT moves_tasks_ck CHECK (tasks > 0) NOT VALID", "moves_tasks_ck: the version"),
        ("CREATE UNIQUE INDEX tasks_name_uq ON tasks (name)", "tasks_name_uq: the version"),
        ("DROP INDEX tasks_idempotency_key_uq", "tasks_idempotency_key_uq: was"),
        ("DROP TABLE counters CASCADE", "counters.queue: was"),
    ],
)
def test_what_the_version_before_would_stumble_over_is_seen(session, change, fault):
    before = Tables(session)
    f.run_sql(session, change)
    found = faults(before, Tables(session))
    assert any(one.startswith(fault) for one in found), found


def test_what_only_adds_is_no_fault(session):
    before = Tables(session)
    f.run_sql(session, "ALTER TABLE moves ADD COLUMN by text, ADD COLUMN at timestamptz NOT NULL DEFAULT now()")
    f.run_sql(session, "CREATE TABLE more (id bigint CONSTRAINT more_pk PRIMARY KEY)")
    assert faults(before, Tables(session)) == []
