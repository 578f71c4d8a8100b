"""Draining tasks that do nothing and wait already when the worker starts, with two slots."""

import time

from bench.measures.shape import Figure, Measure, Target
from bench.systems.place import STARTING_S
from bench.systems.rivals import RawCelery
from bench.systems.taskyard import Taskyard
from bench.turns import Figures, Turn

_FIRST_TASKS = 100
_POLL_S = 0.2


def run(turn: Turn) -> Figures:
    """Fill, start the worker, and wait; count no more than what is done in time, so that slow ones end, too."""
    sizes = turn.sizes
    count, limit_s = sizes.drain_tasks, sizes.drain_limit_s
    if turn.is_rival:
        limit_s = sizes.rival_drain_limit_s
        count = count if isinstance(turn.system, RawCelery) else sizes.rival_drain_tasks
    if isinstance(turn.system, Taskyard):
        know_the_kind(turn, turn.system)
    turn.stop_worker()
    turn.system.clear(turn.place)
    turn.system.fill(turn.place, count)
    turn.start_worker()
    per_s = turn.system.drain(turn.place, count, limit_s)
    turn.system.clear(turn.place)
    return {"per_s": per_s}


def know_the_kind(turn: Turn, system: Taskyard) -> None:
    """Have some tasks done first: how long those of a kind take is known in an installation that is not new."""
    turn.start_worker()
    system.fill(turn.place, _FIRST_TASKS)
    known = "SELECT count(*) FROM kinds WHERE name = 'sleep' AND recent_run_s IS NOT NULL"
    deadline = time.monotonic() + STARTING_S
    while not turn.place.value(known) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    system.await_finished(turn.place, _FIRST_TASKS, STARTING_S)


DRAINING = Measure(
    "drain",
    "back",
    ("raw", "raw-late", "handwritten-early", "handwritten-late", "taskyard", "single"),
    run,
    (
        Figure(
            "per_s",
            "drain of tasks that do nothing, 2 slots",
            "/s",
            (
                Target(5, "raw"),
                Target(10, "handwritten-late"),
                Target(0.7, "raw", system="single"),
                Target(3, "handwritten-late", system="single"),
            ),
        ),
    ),
    is_long=True,
)
