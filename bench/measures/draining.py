"""Draining tasks that do nothing and wait already when the worker starts, with two slots."""

from bench.measures.shape import Figure, Measure, Target
from bench.turns import Figures, Turn


def run(turn: Turn) -> Figures:
    """Fill, start the worker, and wait; count no more than what is done in time, so that slow ones end, too."""
    sizes = turn.sizes
    count, limit_s = sizes.drain_tasks, sizes.drain_limit_s
    if turn.is_rival:
        limit_s = sizes.rival_drain_limit_s
        count = count if turn.system.name == "raw" else sizes.rival_drain_tasks
    turn.stop_worker()
    turn.system.clear(turn.place)
    turn.system.fill(turn.place, count)
    turn.start_worker()
    per_s = turn.system.drain(turn.place, count, limit_s)
    turn.system.clear(turn.place)
    return {"per_s": per_s}


DRAINING = Measure(
    "drain",
    "back",
    ("raw", "handwritten-early", "handwritten-late", "taskyard", "single"),
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
