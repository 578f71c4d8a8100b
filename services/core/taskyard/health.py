"""What a process says of itself to its platform: whether to start it anew, and whether it can work.

    loop ── beats once a turn ─────────▶ Pulse ──▶ /livez    every loop turns, or waits for something outside
    part ── is connected, is draining ─▶ Health ─▶ /readyz   every loop turns, and every condition holds

A database or broker that is away is no reason to start a process anew: it would only be away for the next one, too.
So what a loop does `outside` is excused from /livez, however long it takes, and shown at /readyz.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


class Pulse:
    """The sign of life of one loop, from its first turn on. All but the questions is for the loop's own thread."""

    def __init__(self, name: str, bound_s: float, clock: Callable[[], float]) -> None:
        self.name = name
        self._bound_s = bound_s
        self._clock = clock
        self._depth = 0
        self._beaten_at: float | None = None

    def beat(self) -> None:
        """Say that the loop turns."""
        self._beaten_at = self._clock()

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Say, for the length of the block, that the loop waits for a server; may be nested."""
        self._depth += 1
        try:
            yield
        finally:
            self.beat()
            self._depth -= 1

    @property
    def is_late(self) -> bool:
        """Whether the loop has not turned for longer than its bound, whatever it waits for."""
        return self._beaten_at is not None and self._clock() - self._beaten_at > self._bound_s

    @property
    def is_stalled(self) -> bool:
        """Whether it is late, and nothing outside is to blame."""
        return self._depth == 0 and self.is_late


class Health:
    """What one process answers. `stall_s` is how long a loop may take for a turn."""

    def __init__(self, stall_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stall_s = stall_s
        self._clock = clock
        self._pulses: list[Pulse] = []
        self._conditions: Mapping[str, Callable[[], bool]] = {}

    def pulse(self, loop: str, pause_s: float = 0.0) -> Pulse:
        """Return the pulse of a loop that pauses for up to `pause_s` between its turns."""
        made = Pulse(loop, self._stall_s + pause_s, self._clock)
        self._pulses.append(made)
        return made

    def ready_when(self, conditions: Mapping[str, Callable[[], bool]]) -> None:
        """Name what must hold for the process to be ready. It is asked from other threads, and must not block.

        Until this is called, the process is starting, and not ready.
        """
        self._conditions = conditions

    def stalled(self) -> list[str]:
        """Return the loops for which the process should be started anew."""
        return [pulse.name for pulse in self._pulses if pulse.is_stalled]

    def lacking(self) -> list[str]:
        """Return what keeps the process from working."""
        if not self._conditions:
            return ["started"]
        late = [pulse.name for pulse in self._pulses if pulse.is_late]
        return late + [name for name, holds in self._conditions.items() if not holds()]
