"""The supervisor of a local run: it starts parts, starts again those that die, and ends them all.

Each part has a thread that starts it, waits for its end, and starts it again; the kernel ends the part when that
thread ends, so a supervisor that is killed takes its parts along.
"""

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from signal import SIGTERM
from time import monotonic
from typing import Final, Protocol

from taskyard.local import spawning
from taskyard.local.errors import LocalRunError

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_HEALTHY_S: Final = 60.0
_ANSWER_S: Final = 120.0


class Part(Protocol):
    """What can be supervised; `PostgreSQL`, `RabbitMQ` and `Command` are."""

    @property
    def name(self) -> str:
        """What it is called on the terminal."""

    @property
    def log(self) -> Path:
        """The file that says why it died."""

    def start(self) -> None:
        """Start it and return when it can be used; raise `LocalRunError` where it cannot."""

    def wait(self) -> int:
        """Wait for its end, and return its status as `subprocess` has it."""

    def stop(self) -> None:
        """End it in peace, and return when nothing of it is left."""

    def kill(self) -> None:
        """End it at once, and return when nothing of it is left."""


class Command:
    """A part that is one command: `words`, with exactly `environment`, and its output in `log`.

    It has `grace_s` to end after SIGTERM, then it is killed with all it started. It counts as started when `ready()`
    is true, at once where there is none.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        log: Path,
        grace_s: float = 30.0,
        ready: Callable[[], bool] | None = None,
    ) -> None:
        self.name: Final = name
        self.log: Final = log
        self._words = words
        self._environment = environment
        self._grace_s = grace_s
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process as it was last started."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the command.

        Raises:
            LocalRunError: it could not be started, ended at once, or did not get ready.
        """
        self._process = spawning.spawn(self._words, environment=self._environment, log=self.log)
        if self._ready:
            spawning.await_ready(self._process, self._ready, self.name, self.log, _ANSWER_S)

    def wait(self) -> int:
        """Wait for its end, and return its status as `subprocess` has it."""
        return self._process.wait() if self._process else 0

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL after the grace; return when nothing of it is left."""
        if self._process:
            spawning.end(self._process, SIGTERM, self._grace_s)

    def kill(self) -> None:
        """Send SIGKILL to it and all it started, and return when nothing of it is left."""
        if self._process:
            spawning.kill(self._process)


class Supervisor:
    """Keeps parts running until `stop`. `say` is told, from any thread, what happens to them.

    A part that dies is started again after `first_pause_s` seconds, then after twice as long each time up to
    `longest_pause_s`, until it has run for a minute.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        *,
        first_pause_s: float = _FIRST_PAUSE_S,
        longest_pause_s: float = _LONGEST_PAUSE_S,
    ) -> None:
        self._say = say
        self._pauses_s = (first_pause_s, longest_pause_s)
        self._groups: list[list[_Keeper]] = []

    def start(self, *parts: Part) -> None:
        """Start the parts, all at once, and return when all can be used.

        Raises:
            LocalRunError: one of them cannot be started; the others are left to `stop`.
        """
        group = [_Keeper(part, self._say, *self._pauses_s) for part in parts]
        self._groups.append(group)
        for keeper in group:
            keeper.start()
        for keeper in group:
            keeper.started.result()

    def stop(self) -> None:
        """End the parts, those first that were started last, each group at once; return when nothing is left."""
        self._end_all(lambda part: part.stop())

    def kill(self) -> None:
        """End the parts at once; also while `stop` waits for them in another thread."""
        self._end_all(lambda part: part.kill())

    def _end_all(self, end: Callable[[Part], None]) -> None:
        for group in reversed(self._groups):
            with ThreadPoolExecutor(len(group)) as threads:
                list(threads.map(lambda keeper: keeper.end(end), group))


class _Keeper(threading.Thread):
    """The thread of one part. `started` tells how its first start went."""

    def __init__(self, part: Part, say: Callable[[str], None], first_pause_s: float, longest_pause_s: float) -> None:
        super().__init__(name=f"keeper of {part.name}", daemon=True)
        self._part = part
        self._say = say
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._ending = threading.Event()
        self.started: Future[None] = Future()

    def run(self) -> None:
        """Keep the part running until `end`."""
        try:
            self._part.start()
        except BaseException as error:  # noqa: BLE001 - raised by who waits for the start
            self.started.set_exception(error)
            return
        self.started.set_result(None)
        pause_s = 0.0
        began = monotonic()
        while not self._ending.is_set():
            status = self._part.wait()
            if self._ending.is_set():
                return
            healthy = monotonic() - began > _HEALTHY_S
            pause_s = self._first_pause_s if healthy or not pause_s else min(2 * pause_s, self._longest_pause_s)
            how = spawning.describe(status)
            self._say(f"{self._part.name} died ({how}) and is started again in {pause_s:g} s; see {self._part.log}")
            began = monotonic()
            if not self._ending.wait(pause_s):
                self._start_again()

    def end(self, how: Callable[[Part], None]) -> None:
        """End the part by `how` and the thread with it, wherever it is in its work."""
        self._ending.set()
        how(self._part)
        while self.is_alive():
            self.join(1.0)
            if self.is_alive():  # it was starting the part just then
                how(self._part)

    def _start_again(self) -> None:
        try:
            self._part.start()
        except LocalRunError as error:
            if not self._ending.is_set():
                self._say(f"{self._part.name} did not start: {error}")
        else:
            self._say(f"{self._part.name} runs again")
