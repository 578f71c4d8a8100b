"""What a system does while there is nothing to do."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from bench.turns import Figures, Turn

_SETTLE_S = 3.0
"""After which parts that were just started have done what they do once; who looks for less does not wait as long."""


def load(turn: Turn, seconds: float) -> Figures:
    """Watch for so long; return the `cpu` time of dispatcher and PostgreSQL in ms a second, and `statements` a second.

    Of the processes that are there all the time. Without `statements` where PostgreSQL cannot count them.
    """
    turn.place.servers.count_statements(turn.place.database_url, counting=True)
    time.sleep(min(_SETTLE_S, seconds))
    statements, busy_ns, began_at = turn.place.statements(), _busy_ns(turn), time.monotonic()
    time.sleep(seconds)
    took_s, later_ns = time.monotonic() - began_at, _busy_ns(turn)
    figures = {"cpu": sum(later_ns[pid] - busy_ns[pid] for pid in busy_ns.keys() & later_ns.keys()) / 1e6 / took_s}
    if statements is not None and (later := turn.place.statements()) is not None:
        figures["statements"] = (later - statements) / took_s
    turn.place.servers.count_statements(turn.place.database_url, counting=False)
    return figures


def _busy_ns(turn: Turn) -> dict[int, int]:
    """Return the processor time of each process so far; what `psutil` has counts by 10 ms, which is too coarse here."""
    busy_ns: dict[int, int] = {}
    for process in _processes(turn):
        with suppress(OSError):  # it ended just now
            threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
            busy_ns[process.pid] = sum(int(thread.read_text().split()[0]) for thread in threads)
    return busy_ns


def _processes(turn: Turn) -> Iterator[psutil.Process]:
    """Give the dispatcher, and PostgreSQL with all of its processes."""
    for process in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if process.pid == turn.parts["dispatcher"].pid or process.name() == "postgres":
                yield process
                yield from process.children(recursive=True)
