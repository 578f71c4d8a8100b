"""What finished tasks cost those that come: each operation on a table that holds few, then ten million, then few again.

Operations are done one at a time, so that a latency is the operation's own. The dispatcher runs as it comes, with its
consistency check, and is then looked at while there is nothing to do: with that check, and without.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from statistics import fmean
from typing import Final

import typer

from bench import filling, idleness
from bench.load import Measured
from bench.measures.shape import Figure, Measure, Target
from bench.operations import TITLES, Operations
from bench.turns import Figures, Turn
from taskyard.statements import consistency

_FEW: Final = 5_000
"""As good as none, and enough to read different ones and to list fifty that failed."""

_BLOCKS: Final = 5
_WARM_TIMES: Final = 50
_SLOWER: Final = Target(1.5, at_most=True)
_BUSIER: Final = Target(1.2, at_most=True)
_IDLE: Final = {"idle": "idle, no consistency check", "checked": "idle, with the check"}
_LOADS: Final = {"cpu": ("CPU of dispatcher and PostgreSQL", "ms/s"), "statements": ("statements", "/s")}

Seen = Mapping[str, Sequence[float]]
"""What was seen of tables of one size: seconds by operation, and loads."""


def run(turn: Turn) -> Figures:
    """Look at few, at many, and at few again, so that both have seen the same weather on the whole."""
    few: dict[str, list[float]] = defaultdict(list)
    many: dict[str, list[float]] = defaultdict(list)
    figures: Figures = {}
    for seen, tasks in ((few, _FEW), (many, turn.sizes.history_tasks), (few, _FEW)):
        _bring_to(turn, tasks)
        _operate(turn, tasks, seen)
        _idle(turn, "checked", seen)
        _restart_dispatcher(turn, {"TASKYARD_CONSISTENCY_ROWS_PER_S": "0"})
        _idle(turn, "idle", seen)
        if seen is many:
            figures["count"] = _count_s(turn)
    return figures | latencies(few, many) | loads(few, many)


def latencies(few: Seen, many: Seen) -> Figures:
    """Return p50 and p99 of each operation with few and with many, in ms, and how many times the p99 grew."""
    figures: Figures = {}
    for operation in TITLES:
        for share in (50, 99):
            figures[f"{operation} p{share} few"] = _quantile_ms(few[operation], share / 100)
            figures[f"{operation} p{share}"] = _quantile_ms(many[operation], share / 100)
        figures[f"{operation} slower"] = figures[f"{operation} p99"] / figures[f"{operation} p99 few"]
    return figures


def loads(few: Seen, many: Seen) -> Figures:
    """Return the means of the loads with few and with many, and how many times they grew."""
    figures: Figures = {}
    for load in [f"{name} {load}" for name in _IDLE for load in _LOADS]:
        if few[load] and many[load]:  # PostgreSQL may not be able to count statements
            figures[f"{load} few"], figures[load] = fmean(few[load]), fmean(many[load])
            figures[f"{load} busier"] = figures[load] / figures[f"{load} few"]
    return figures


def _quantile_ms(latencies_s: Sequence[float], share: float) -> float:
    return Measured(0.0, sorted(latencies_s)).quantile_ms(share)


def _bring_to(turn: Turn, tasks: int) -> None:
    """Have the tables hold so many, and the front started anew on them."""
    turn.refill(lambda: filling.history(turn.place.database_url, tasks, _say))


def _say(done: str) -> None:
    typer.echo(f"          history: {done}", err=True)


def _operate(turn: Turn, tasks: int, seen: dict[str, list[float]]) -> None:
    """Do all operations, first some that do not count."""
    with closing(Operations(turn, tasks)) as operations:
        operations.do(_WARM_TIMES)
        operations.latencies_s.clear()
        for _ in range(_BLOCKS):
            operations.do(turn.sizes.history_times // _BLOCKS)
        for operation, latencies_s in operations.latencies_s.items():
            seen[operation] += latencies_s


def _idle(turn: Turn, name: str, seen: dict[str, list[float]]) -> None:
    for load, value in idleness.load(turn, turn.sizes.idle_s).items():
        seen[f"{name} {load}"].append(value)


def _restart_dispatcher(turn: Turn, settings: Mapping[str, str]) -> None:
    """Start it again with other settings, and return when it leads; those of the next turn are its own again."""
    turn.parts.pop("dispatcher").stop()
    place = turn.place
    as_it_was = place.environment
    place.environment = {**as_it_was, **settings}
    [dispatcher] = [command for command in turn.system.front(place) if command.name == "dispatcher"]
    place.environment = as_it_was
    turn.start(dispatcher)


def _count_s(turn: Turn) -> float:
    """Return how long the full count takes with which each pass of the consistency check ends."""
    began_at = time.monotonic()
    if drifted := turn.place.session.run(consistency.drift):
        raise RuntimeError(f"the counters are not what a full count gives: {drifted}")
    return time.monotonic() - began_at


def _rows() -> Iterator[Figure]:
    for operation, title in TITLES.items():
        for share in ("p50", "p99"):
            yield Figure(f"{operation} {share} few", f"{title}, few finished, {share}", "ms")
            yield Figure(f"{operation} {share}", f"{title}, many finished, {share}", "ms")
        yield Figure(f"{operation} slower", f"{title}, p99 by that with few", "×", (_SLOWER,))
    for name, title in _IDLE.items():
        for load, (what, unit) in _LOADS.items():
            yield Figure(f"{name} {load} few", f"{title}, few finished: {what}", unit)
            yield Figure(f"{name} {load}", f"{title}, many finished: {what}", unit)
            if name == "idle":
                yield Figure(f"{name} {load} busier", f"{title}: {what}, by that with few", "×", (_BUSIER,))
    yield Figure("count", "full count that ends a consistency pass, many finished", "s")


HISTORY = Measure("history", "history", ("taskyard",), run, tuple(_rows()), once=True)
