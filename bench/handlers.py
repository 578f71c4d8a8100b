"""Kinds of the bench's own, which Taskyard's worker loads."""

import time

from taskyard import Context, task


@task("bench.start")
def start(_: Context) -> dict[str, float]:
    """Tell when it was called."""
    return {"started_at": time.time()}
