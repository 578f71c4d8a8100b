"""The command behind `make bench`: takes the measures by turns, prints the table, and keeps the numbers."""

import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import report
from bench.measures import ALL, Measure
from bench.servers import ROOT, Servers, running
from bench.systems import SYSTEMS
from bench.turns import QUICK, Figures, Sizes, turn
from bench.verdicts import Seen

_WIDTH = 200


class Run:
    """One run over all rounds. `seen` grows as it goes."""

    def __init__(self, servers: Servers, measures: Sequence[Measure], sizes: Sizes) -> None:
        self.seen: list[Seen] = []
        self._servers = servers
        self._measures = measures
        self._sizes = sizes
        self._began = time.monotonic()
        self._rounds = {measure.name: min(measure.rounds or sizes.rounds, sizes.rounds) for measure in measures}

    def take(self) -> None:
        """Have every system take its turn in every round."""
        for number in range(1, self._sizes.rounds + 1):
            due = [measure for measure in self._measures if number <= self._rounds[measure.name]]
            earlier: dict[str, Figures] = defaultdict(dict)
            for system, measures in turns(due):
                self._turn(number, system, measures, earlier)

    def _turn(self, number: int, name: str, measures: Sequence[Measure], earlier: dict[str, Figures]) -> None:
        self._say(f"round {number}: {SYSTEMS[name].title} starts")
        with turn(SYSTEMS[name], self._servers, self._sizes, earlier) as taken:
            for measure in measures:
                figures = measure.run(taken)
                earlier[name] |= {f"{measure.name} {figure}": value for figure, value in figures.items()}
                self.seen += [Seen(number, name, measure.name, figure, value) for figure, value in figures.items()]
                self._say(f"  {measure.name}: " + ", ".join(f"{key} {value:,.1f}" for key, value in figures.items()))

    def _say(self, what: str) -> None:
        typer.echo(f"{time.monotonic() - self._began:6.0f} s  {what}", err=True)


def turns(measures: Sequence[Measure]) -> Iterator[tuple[str, list[Measure]]]:
    """Say whose turns a round has, and what is done in each: all systems of a group, then those of the next."""
    groups = list(dict.fromkeys(measure.group for measure in measures))
    for _, members in groupby(sorted(measures, key=lambda each: groups.index(each.group)), lambda each: each.group):
        group = list(members)
        for system in SYSTEMS:
            if mine := [measure for measure in group if system in measure.systems]:
                yield system, mine


def chosen(only: str) -> list[Measure]:
    """Return the measures of these names, separated by commas; all of them where there are none.

    Raises:
        typer.BadParameter: there is none of that name.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    known = [measure.name for measure in ALL]
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    return [measure for measure in ALL if not names or measure.name in names]


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A look in under four minutes, not to be quoted.")] = False,
    only: Annotated[str, typer.Option(help="Names of measures, separated by commas: take no others.")] = "",
) -> None:
    """Measure Taskyard beside what people would use instead, by turns on the same servers.

    Prints the medians of the rounds, ratios and targets, and keeps every number under bench/results/.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # through all that has to be ended
    measures, sizes = chosen(only), QUICK if quick else Sizes()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder, running(Path(folder)) as servers:
        run = Run(servers, measures, sizes)
        run.take()
        versions = servers.versions()
    Console(width=_WIDTH).print(report.table(measures, run.seen))
    file = report.keep(report.document(measures, run.seen, sizes, versions, time.monotonic() - began))
    typer.echo(f"kept in {file.relative_to(ROOT)}")


if __name__ == "__main__":
    typer.run(main)
