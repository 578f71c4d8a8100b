"""The ledger of moves says of a task that ended what metrics need: kind, attempts, time from end to end.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Columns without a default rewrite nothing. The version before leaves them empty, which counts the move as before.
    op.execute(
        "ALTER TABLE moves ADD COLUMN kind text, ADD COLUMN attempts integer, ADD COLUMN end_to_end_s double precision"
    )
    op.execute("COMMENT ON COLUMN moves.kind IS 'Kind of the task, where this move was its end.'")
    op.execute("COMMENT ON COLUMN moves.attempts IS 'Number of its last attempt, where this move was its end.'")
    op.execute("COMMENT ON COLUMN moves.end_to_end_s IS 'Seconds from when it was due, where this move was its end.'")


def downgrade() -> None:
    op.execute("ALTER TABLE moves DROP COLUMN kind, DROP COLUMN attempts, DROP COLUMN end_to_end_s")
