"""Every version of the tables, and bringing a database to any of them."""

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine

from taskyard import migrating
from taskyard.patience import patiently

FIRST, *LATER = [
    step.revision
    for step in reversed(list(ScriptDirectory(str(migrating.MIGRATIONS)).walk_revisions()))  # newest first
]


def bring_to(url, revision, say=lambda _: None, patience_s=60.0):
    """Do what `taskyard migrate` does, up to `revision` only."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        patiently(connection, lambda: command.upgrade(migrating.config(connection), revision), say, patience_s)
        connection.commit()
