"""What waiting tasks cost: submitting and draining while a million wait, beside the same with an empty queue."""

from typing import Final

import typer

from bench import filling, load
from bench.measures.draining import know_the_kind
from bench.measures.shape import Figure, Measure, Target
from bench.measures.submitting import request, warm
from bench.systems.taskyard import Taskyard
from bench.turns import Figures, Turn

_CONNECTIONS: Final = 16
_SLOWER: Final = Target(1.2, at_most=True)


def run(turn: Turn) -> Figures:
    """Submit and drain with an empty queue, then with one that is full."""
    assert isinstance(turn.system, Taskyard)
    know_the_kind(turn, turn.system)
    turn.stop_worker()
    figures: Figures = {}
    for name, tasks in (("empty", 0), ("full", turn.sizes.backlog_tasks)):
        _bring_to(turn, tasks)
        warm(turn)
        figures[f"post {name}"] = load.closed(request(turn), _CONNECTIONS, turn.sizes.load_s).per_s
        if not tasks:
            turn.system.clear(turn.place)
            turn.system.fill(turn.place, turn.sizes.drain_tasks)
        turn.start_worker()
        figures[f"drain {name}"] = turn.system.drain(turn.place, turn.sizes.drain_tasks, turn.sizes.drain_limit_s)
        turn.stop_worker()
    return figures | {
        f"{what} slower": figures[f"{what} empty"] / figures[f"{what} full"] for what in ("post", "drain")
    }


def _bring_to(turn: Turn, tasks: int) -> None:
    """Have so many wait, and the front started anew."""
    turn.refill(lambda: filling.waiting(turn.place.database_url, tasks, _say))


def _say(done: str) -> None:
    typer.echo(f"          backlog: {done}", err=True)


BACKLOG = Measure(
    "backlog",
    "backlog",
    ("taskyard",),
    run,
    (
        Figure("post empty", f"POST /tasks, {_CONNECTIONS} connections, empty queue", "/s"),
        Figure("post full", "the same, many waiting", "/s"),
        Figure("post slower", "the same, empty by many waiting", "×", (_SLOWER,)),
        Figure("drain empty", "drain of all that waits, 2 slots", "/s"),
        Figure("drain full", "drain of the first of many that wait, 2 slots", "/s"),
        Figure("drain slower", "the same, empty by many waiting", "×", (_SLOWER,)),
    ),
    is_long=True,
)
