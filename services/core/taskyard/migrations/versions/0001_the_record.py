"""The record: tasks, ready, attempts, kinds, queues, and the counters of queues.

Revision ID: 0001
"""

import json
from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


_HERE = Path(__file__).parent


def upgrade() -> None:
    op.get_bind().exec_driver_sql((_HERE / "0001_the_record.sql").read_text(encoding="utf-8"))
    # The built-in kinds, so that the first task can be submitted before the first worker has started.
    kinds = json.loads((_HERE / "0001_kinds.json").read_text(encoding="utf-8"))
    op.get_bind().exec_driver_sql("INSERT INTO queues (name) VALUES ('default')")
    op.get_bind().exec_driver_sql(
        "INSERT INTO kinds SELECT * FROM json_populate_recordset(NULL::kinds, %s)",
        (json.dumps([kind | {"announced_at": "now"} for kind in kinds]),),
    )


def downgrade() -> None:
    op.execute("DROP TABLE counters, moves, attempts, ready, tasks, kinds, queues")
