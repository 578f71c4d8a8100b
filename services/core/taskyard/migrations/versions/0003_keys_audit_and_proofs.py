"""Keys of the API and the audit of what was done with them, secret members of payloads, and proofs of consistency.

Revision ID: 0003
"""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # New tables, and a column with a constant default: no row is written anew, and no lock is held for long.
    statements = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(statements)


def downgrade() -> None:
    op.execute("ALTER TABLE kinds DROP COLUMN redact")
    op.execute("DROP TABLE verify_writes, violations, passes, audit, api_keys")
    op.execute("DROP FUNCTION refuse_change")
