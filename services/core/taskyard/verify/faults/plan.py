"""Which faults happen when: a pure function of a seed.

First each sort alone, where there is time for that, so that what breaks is known by its name; then workers and their
children are killed again and again while all else is well, so that it is known how soon their tasks run again; then all
sorts come mixed, one upon another.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of fault: how long it lasts, and how often it comes among the mixed ones, relative to the others."""

    name: str
    lasts_s: float
    weight: float


SORTS: Final = (
    Sort("worker.kill", 0.0, 7),
    Sort("worker.stop", 30.0, 3),
    Sort("child.kill", 0.0, 24),
    Sort("child.stop", 30.0, 5),
    Sort("dispatcher.kill", 0.0, 7),
    Sort("dispatcher.stop", 30.0, 4),
    Sort("api.kill", 0.0, 4),
    Sort("api.stop", 30.0, 1),
    Sort("rabbitmq.kill", 0.0, 1.5),
    Sort("rabbitmq.stop", 20.0, 0.8),
    Sort("rabbitmq.wipe", 0.0, 0.8),
    Sort("rabbitmq.purge", 0.0, 10),
    Sort("rabbitmq.alarm", 8.0, 2),
    Sort("postgresql.kill", 0.0, 3),
    Sort("postgresql.restart", 0.0, 3),
    Sort("postgresql.cut", 0.0, 12),
    Sort("postgresql.full", 6.0, 2),
    Sort("network.cut", 8.0, 8),
    Sort("network.slow", 10.0, 8),
    Sort("network.reset", 0.0, 14),
    Sort("clock.forward", 10.0, 5),
    Sort("clock.back", 10.0, 5),
    Sort("handler.stubborn", 0.0, 5),
    Sort("handler.leak", 0.0, 5),
    Sort("handler.fork", 0.0, 5),
    Sort("handler.strayfork", 0.0, 4),
    Sort("handler.close", 0.0, 8),
)
"""All sorts. A kill lasts no time: whoever keeps the parts running starts what was killed again."""

_SETTLES_S: Final = 4.0  # what a fault alone takes beyond its time, until all is as before
_QUIET_S: Final = 3.0
_KILLS: Final = ("worker.kill", "child.kill")
_KILL_EVERY_S: Final = 4.0  # a worker takes about as long to come back
_KILLS_SHARE: Final = 1 / 6  # of the time
_MORE: Final = 1.08


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to come. `at_s` counts from the begin of its phase; `dice`, in [0, 1), chooses whom it meets."""

    number: int
    sort: str
    at_s: float
    lasts_s: float
    dice: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The faults of a run: those that come alone, each after the end of the one before, then kills, then mixed ones."""

    alone: Sequence[Fault]
    kills: Sequence[Fault]
    mixed: Sequence[Fault]

    @property
    def faults(self) -> list[Fault]:
        """All of them, in their order."""
        return [*self.alone, *self.kills, *self.mixed]


def alone_s(sorts: Sequence[Sort] = SORTS) -> float:
    """Return about how many seconds it takes to have each sort once, alone."""
    return sum(sort.lasts_s + _SETTLES_S for sort in sorts)


def plan(seed: int, duration_s: float, at_least: int, sorts: Sequence[Sort] = SORTS) -> Plan:
    """Plan `at_least` faults of `sorts`, and some more, for `duration_s` seconds; the same arguments, the same plan.

    A few will find nobody to meet, such as a worker that was killed just then.

    Where half of the time is enough for each sort alone, that comes first, and then kills for a sixth of the time. No
    fault lasts longer than a third of the time that the mixed ones have.
    """
    dice = random.Random(seed)  # noqa: S311 - to be repeatable is the point
    alone = [
        Fault(number, sort.name, 0.0, sort.lasts_s, dice.random())
        for number, sort in enumerate(_each_once(sorts, duration_s))
    ]
    kills_s = duration_s * _KILLS_SHARE if alone else 0.0
    kills = _kills(len(alone), kills_s, [sort for sort in sorts if sort.name in _KILLS], dice)
    begun = len(alone) + len(kills)
    left_s = duration_s - kills_s - (alone_s(sorts) if alone else 0.0)
    moments = sorted(dice.uniform(0.0, left_s - _QUIET_S) for _ in range(max(1, ceil(at_least * _MORE) - begun)))
    chosen = dice.choices(sorts, [sort.weight for sort in sorts], k=len(moments))
    mixed = [
        Fault(begun + index, sort.name, at_s, min(sort.lasts_s, left_s / 3), dice.random())
        for index, (at_s, sort) in enumerate(zip(moments, chosen, strict=True))
    ]
    return Plan(alone, kills, mixed)


def _kills(number: int, within_s: float, sorts: Sequence[Sort], dice: random.Random) -> list[Fault]:
    """Plan kills at even distances, in turn of each of `sorts`; the first has `number`."""
    count = int(within_s / _KILL_EVERY_S) if sorts else 0
    return [
        Fault(number + index, sorts[index % len(sorts)].name, index * _KILL_EVERY_S, 0.0, dice.random())
        for index in range(count)
    ]


def _each_once(sorts: Sequence[Sort], duration_s: float) -> Sequence[Sort]:
    return sorts if len(sorts) > 1 and alone_s(sorts) <= duration_s / 2 else ()


def named(names: Sequence[str]) -> list[Sort]:
    """Return the sorts of these names, all where there are none; a name may be that of a family, such as `rabbitmq`.

    Raises:
        ValueError: there is no such sort.
    """
    if unknown := [name for name in names if not any(_is_in(sort, name) for sort in SORTS)]:
        raise ValueError(f"there is no fault {', '.join(unknown)}; there are {', '.join(sort.name for sort in SORTS)}")
    return [sort for sort in SORTS if not names or any(_is_in(sort, name) for name in names)]


def _is_in(sort: Sort, name: str) -> bool:
    return sort.name == name or sort.name.startswith(f"{name}.")
