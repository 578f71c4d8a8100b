"""Several tasks in one message: which message carries a task, and how long the tasks of a kind took lately.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Columns without a default rewrite nothing. The version before sends each task alone, and leaves them empty.
    op.execute("ALTER TABLE ready ADD COLUMN message bigint")
    op.execute("ALTER TABLE kinds ADD COLUMN recent_run_s double precision")
    op.execute(
        "COMMENT ON COLUMN ready.message IS 'The first task of the message that carries it; NULL: it is the only one.'"
    )
    op.execute("COMMENT ON COLUMN kinds.recent_run_s IS 'Seconds that its handler took lately; NULL: nobody knows.'")


def downgrade() -> None:
    op.execute("ALTER TABLE ready DROP COLUMN message")
    op.execute("ALTER TABLE kinds DROP COLUMN recent_run_s")
