"""Rounds of turns: in each, every system takes its turns one after the other, so that all see the same weather."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby

import typer

from bench.measures import Measure
from bench.servers import Servers
from bench.systems import SYSTEMS
from bench.turns import Figures, Sizes, turn
from bench.verdicts import Seen


class Run:
    """One run over all rounds. `seen` grows as it goes; `failed` says what could not be measured."""

    def __init__(self, servers: Servers, measures: Sequence[Measure], sizes: Sizes) -> None:
        self.seen: list[Seen] = []
        self.failed: list[str] = []
        self._servers = servers
        self._measures = measures
        self._sizes = sizes
        self._began = time.monotonic()

    def take(self) -> None:
        """Have every system take its turn in every round."""
        for number in range(1, self._sizes.rounds + 1):
            earlier: dict[str, Figures] = defaultdict(dict)
            for system, measures in turns(due(self._measures, self._sizes, number)):
                self._say(f"round {number} of {self._sizes.rounds}: {SYSTEMS[system].title} starts")
                try:
                    self._turn(number, system, measures, earlier)
                except Exception as error:  # noqa: BLE001 - half an hour is not lost for one turn
                    self.failed.append(f"round {number}, {system}: {error!r}")
                    self._say(f"  failed: {error!r}")

    def _turn(self, number: int, name: str, measures: Sequence[Measure], earlier: dict[str, Figures]) -> None:
        with turn(SYSTEMS[name], self._servers, self._sizes, earlier) as taken:
            for measure in measures:
                figures = measure.run(taken)
                earlier[name] |= {f"{measure.name} {figure}": value for figure, value in figures.items()}
                self.seen += [Seen(number, name, measure.name, figure, value) for figure, value in figures.items()]
                self._say(f"  {measure.name}: " + ", ".join(f"{key} {value:,.1f}" for key, value in figures.items()))

    def _say(self, what: str) -> None:
        typer.echo(f"{time.monotonic() - self._began:6.0f} s  {what}", err=True)


def due(measures: Sequence[Measure], sizes: Sizes, number: int) -> list[Measure]:
    """Return the measures that are taken in this round."""
    rounds = {False: sizes.rounds, True: sizes.long_rounds}
    return [each for each in measures if number <= (1 if each.once else rounds[each.is_long])]


def turns(measures: Sequence[Measure]) -> Iterator[tuple[str, list[Measure]]]:
    """Say whose turns a round has, and what is done in each: all systems of a group, then those of the next."""
    groups = list(dict.fromkeys(measure.group for measure in measures))
    for _, members in groupby(sorted(measures, key=lambda each: groups.index(each.group)), lambda each: each.group):
        group = list(members)
        for system in SYSTEMS:
            if mine := [measure for measure in group if system in measure.systems]:
                yield system, mine
