"""The command behind `make bench`: takes the measures by turns, prints the table, and keeps the numbers."""

import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import report
from bench.measures import ALL, Measure
from bench.rounds import Run
from bench.servers import ROOT, running
from bench.turns import QUICK, Sizes

_WIDTH = 190
_NAMES = ", ".join(measure.name for measure in ALL)


def chosen(only: str) -> list[Measure]:
    """Return the measures of these names, separated by commas; all of them where there are none.

    Raises:
        typer.BadParameter: there is none of that name.
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := [name for name in names if name not in {measure.name for measure in ALL}]:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; there are {_NAMES}")
    return [measure for measure in ALL if not names or measure.name in names]


def main(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A look in under four minutes, not to be quoted.")] = False,
    only: Annotated[str, typer.Option(help=f"Take these alone, separated by commas, of: {_NAMES}.")] = "",
) -> None:
    """Measure Taskyard beside what people would use instead, by turns on the same servers.

    Prints the medians of the rounds, ratios and targets, and keeps every number under bench/results/.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # through all that has to be ended
    measures, sizes = chosen(only), QUICK if quick else Sizes()
    began, machine = time.monotonic(), report.machine()
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder, running(Path(folder)) as servers:
        run = Run(servers, measures, sizes)
        run.take()
        machine |= servers.versions()
    Console(width=_WIDTH).print(report.table(measures, run.seen))
    kept = {"machine": machine, "sizes": asdict(sizes), "took_s": round(time.monotonic() - began), "failed": run.failed}
    file = report.keep(kept | report.document(measures, run.seen))
    typer.echo(f"kept in {file.relative_to(ROOT)}")
    if run.failed:
        typer.echo("\n".join(["not measured:", *run.failed]), err=True)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
