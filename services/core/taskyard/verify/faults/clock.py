"""A part with a clock that can be set: `python -m taskyard.verify.faults.clock COMMAND` runs it under one.

The seconds that the clock is to be ahead stand in the file `TASKYARD_VERIFY_CLOCK`, read twice a second; the clock that
never goes back, by which everything is timed, stays as it is, as with a real clock that is set. Libraries that fake the
clock for every program were tried first: with the clock of Debian's libfaketime Python's `time.sleep` fails, or the
monotonic clock jumps too.
"""

import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import time_machine

FILE: Final = "TASKYARD_VERIFY_CLOCK"
"""The variable that names the file."""

_LOOK_S: Final = 0.5


class SetClock:
    """The clock of this process, as `file` says, and that of its children too."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead_s = 0.0
        self._travel: time_machine.travel | None = None

    def start(self) -> None:
        """Follow the file from now on, here and, since threads do not outlive a fork, in each child anew."""
        os.register_at_fork(after_in_child=self._follow)
        self._follow()

    def _follow(self) -> None:
        threading.Thread(target=self._run, name="clock", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._set(_seconds(self._file))
            pause.wait(_LOOK_S)

    def _set(self, ahead_s: float) -> None:
        if ahead_s == self._ahead_s:
            return
        if self._travel is not None:
            self._travel.stop()
            self._travel = None
        self._ahead_s = ahead_s
        if ahead_s:
            self._travel = time_machine.travel(datetime.now(UTC) + timedelta(seconds=ahead_s), tick=True)
            self._travel.start()


def _seconds(file: Path) -> float:
    try:
        return float(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0


def main() -> None:
    """Run the command named first, with the rest as its arguments."""
    name = sys.argv[1]
    SetClock(Path(os.environ[FILE])).start()
    sys.argv = sys.argv[1:]
    [command] = entry_points(group="console_scripts", name=name)
    command.load()()


if __name__ == "__main__":
    main()
