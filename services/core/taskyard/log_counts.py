"""How much was logged, by level: by this process and by the children that it forks, in memory that they share.

A row a process, written by that process alone, so that no count is lost and no child waits for a lock that its parent
held when it was forked.
"""

import mmap
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
"""As the standard library numbers them: 10, 20 and so on."""

_ROWS: Final = 512
_WORD_BYTES: Final = 8


class LogCounts(Collector):
    """The counts of a family of processes; to be made before the first fork. `row` 0 is the parent's."""

    def __init__(self) -> None:
        self._words = memoryview(mmap.mmap(-1, _ROWS * len(LEVELS) * _WORD_BYTES)).cast("Q")
        self._start = 0

    def write_to(self, row: int) -> None:
        """Count what this process logs from now on in a row that no other living process writes to."""
        if not 0 <= row < _ROWS:
            raise IndexError(f"there are {_ROWS} rows, not one of index {row}")
        self._start = row * len(LEVELS)

    def add(self, level: int) -> None:
        """Count one line of this level, as the standard library numbers it. For one thread at a time."""
        self._words[self._start + min(max(level // 10, 1), len(LEVELS)) - 1] += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Give the sums over all rows."""
        family = CounterMetricFamily("taskyard_log_messages", "Lines logged, by level.", labels=["level"])
        for number, level in enumerate(LEVELS):
            family.add_metric([level], sum(self._words[number :: len(LEVELS)]))
        yield family


COUNTS: Final = LogCounts()
"""Those of this process, as its logging is one for all of it."""
