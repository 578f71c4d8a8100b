"""Makes the supervisor of the worker that loads this stand still while the file in STANDSTILL is there."""

import os
import time
from pathlib import Path

from taskyard_worker.supervisor import Supervisor

_tick = Supervisor.tick


def _tick_or_stand_still(self: Supervisor, now: float) -> None:
    while Path(os.environ["STANDSTILL"]).exists():
        time.sleep(0.02)
    _tick(self, now)


Supervisor.tick = _tick_or_stand_still  # type: ignore[method-assign]  # it is what this file is for
