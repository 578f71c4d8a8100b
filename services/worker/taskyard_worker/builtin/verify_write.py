"""The kind `verify.write`: leaves a row for each of its runs, so that runs can be counted apart from the record.

`taskyard verify` submits it. The row waits for the disk, and with it all that this database was told before, the claim
of the attempt included: no attempt leaves two rows, whatever crashes.
"""

import os
import time
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from taskyard import Context, RetryPolicy, task
from taskyard.database import Session
from taskyard.settings import DatabaseSettings
from taskyard.statements import verification
from taskyard.statements.claims import Held

_LONGEST_S: Final = 60.0


class Write(BaseModel):
    """How long to take after the row was written."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"seconds": 0.5}]})

    seconds: Annotated[float, Field(ge=0, le=_LONGEST_S, description="how long to take, in seconds")] = 0.0


@task("verify.write", retry=RetryPolicy(first_s=0.5, longest_s=10.0))
def verify_write(ctx: Context, payload: Write) -> dict[str, int]:
    """Write a row into verify_writes, over a connection of its own; returns `runs`, how many rows its task has."""
    session = Session(DatabaseSettings().database_url.get_secret_value(), "taskyard-worker verify.write")
    worker = os.environ.get("TASKYARD_WORKER_NAME", "") or "unnamed"
    try:
        runs = session.run(verification.write, Held(ctx.id, ctx.attempt), worker)
    finally:
        session.close()
    time.sleep(payload.seconds)
    return {"runs": runs}
