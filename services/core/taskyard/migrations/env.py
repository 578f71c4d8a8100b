"""How Alembic runs here: on the connection that `taskyard.schema` hands over, which holds the lock of migrations."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
