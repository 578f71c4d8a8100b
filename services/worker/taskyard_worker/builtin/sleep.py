"""The kind `sleep`: waits. With no payload it does nothing, which makes it the measure of everything around it."""

import time
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from taskyard import Context, task

LONGEST_S: Final = 86_400.0
_SLICE_S: Final = 0.5  # how long a cancellation may go unnoticed


class Nap(BaseModel):
    """How long to wait, and how often to tell of it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"seconds": 5, "steps": 5}]})

    seconds: Annotated[float, Field(ge=0, le=LONGEST_S, description="how long to wait, in seconds")] = 0.0
    steps: Annotated[int, Field(ge=1, le=1000, description="how many times progress is reported on the way")] = 10


@task("sleep")
def sleep(ctx: Context, nap: Nap) -> dict[str, float]:
    """Wait for a number of seconds; more than the kind's time limit needs `timeout_s` on the task.

    Returns `slept_s`, which is less than `seconds` where the task was cancelled on the way.
    """
    if nap.seconds == 0:
        return {"slept_s": 0.0}
    started = time.monotonic()
    for step in range(1, nap.steps + 1):
        _wait_until(ctx, started + nap.seconds * step / nap.steps)
        if ctx.cancelled:
            break
        ctx.progress(step / nap.steps)
    return {"slept_s": round(time.monotonic() - started, 3)}


def _wait_until(ctx: Context, moment: float) -> None:
    while (left_s := moment - time.monotonic()) > 0 and not ctx.cancelled:
        time.sleep(min(left_s, _SLICE_S))
