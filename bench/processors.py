"""How much processor time each part of a turn has used."""

import time
from contextlib import suppress

import psutil

from bench.turns import Turn

_SERVERS = {"postgres": "postgresql", "beam.smp": "rabbitmq"}


def used_s(turn: Turn) -> dict[str, float]:
    """Return the seconds of processors used so far by each part, and by both servers, with all they started."""
    parts = {command.pid: name for name, command in turn.parts.items()}
    used: dict[str, float] = {}
    for process in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if name := parts.get(process.pid) or _SERVERS.get(process.name()):
                used[name] = used.get(name, 0.0) + _of_tree(process)
    return used


def share_of_core(turn: Turn, seconds: float) -> dict[str, float]:
    """Watch for so long; return the percentage of one core that each part used meanwhile."""
    before, began_at = used_s(turn), time.monotonic()
    time.sleep(seconds)
    after, took_s = used_s(turn), time.monotonic() - began_at
    return {part: 100 * (after[part] - before[part]) / took_s for part in after if part in before}


def _of_tree(root: psutil.Process) -> float:
    used_s = 0.0
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            # Those of children count children that have ended: PostgreSQL's processes come and go.
            used_s += sum(process.cpu_times()[:4])
    return used_s
