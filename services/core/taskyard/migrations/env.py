"""How Alembic runs here: on the connection that `taskyard.schema` hands over, which holds the lock of migrations."""

from collections.abc import Collection
from typing import Any

from alembic import context

from taskyard import grants, schema


def _grant(*, ctx: Any, heads: Collection[Any], **_: object) -> None:
    """Give roles their rights together with the version that tells the parts that they may begin."""
    if schema.REVISION in heads:
        with ctx.connection.connection.cursor() as cursor:
            grants.apply(cursor)


context.configure(
    connection=context.config.attributes["connection"],
    transaction_per_migration=True,
    on_version_apply=_grant,  # type: ignore[arg-type]  # Alembic passes keywords, which its annotation does not say
)
with context.begin_transaction():
    context.run_migrations()
