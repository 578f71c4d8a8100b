"""What is left of a run: a table on the terminal, and a JSON file with every number of every round."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from bench.measures import Figure, Measure
from bench.servers import ROOT
from bench.systems import SYSTEMS
from bench.verdicts import Seen, Verdict, judge, median_of

_PACKAGES = (
    "celery",
    "fastapi",
    "httptools",
    "kombu",
    "psycopg2-binary",
    "pydantic",
    "sqlalchemy",
    "uvicorn",
    "uvloop",
)
_LARGE = 100
_LONGEST_WORD = 9  # of a system's title


def table(measures: Sequence[Measure], seen: Sequence[Seen]) -> Table:
    """Build the table: a row for each figure, a column for each system that has any."""
    present = {one.system for one in seen}
    systems = [name for name in sorted(SYSTEMS, key=_is_rival) if name in present]
    built = Table()
    built.add_column("measure", no_wrap=True)
    for name in systems:
        built.add_column(SYSTEMS[name].title, justify="right", min_width=_LONGEST_WORD)
    for heading in ("target", "is", "met"):
        built.add_column(heading, no_wrap=True)
    for measure in measures:
        for figure in measure.figures:
            medians = [median_of(seen, measure, figure, system) for system in systems]
            if any(value is not None for value in medians):
                built.add_row(
                    f"{figure.title}, {figure.unit}".rstrip(", "),
                    *map(_shown, medians),
                    *_judged(seen, measure, figure),
                )
        built.add_section()
    return built


def _is_rival(name: str) -> bool:
    return not SYSTEMS[name].with_tables


def _judged(seen: Sequence[Seen], measure: Measure, figure: Figure) -> tuple[str, str, str]:
    verdicts = [(target, judge(seen, measure, figure, target)) for target in figure.targets]
    return (
        "\n".join(_of(target.system, target.words) for target, _ in verdicts),
        "\n".join("" if verdict is None else _amount(verdict) for _, verdict in verdicts),
        "\n".join("" if verdict is None else "yes" if verdict.met else "no" for _, verdict in verdicts),
    )


def _of(system: str, words: str) -> str:
    return words if system == "taskyard" else f"{system}: {words}"


def _amount(verdict: Verdict) -> str:
    return f"{verdict.value:.2f} ×" if verdict.target.than else _shown(verdict.value)


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:,.2f}"


def document(measures: Sequence[Measure], seen: Sequence[Seen]) -> dict[str, Any]:
    """Return targets and what became of them, medians, and every number of every round, ready for JSON."""
    targets = [
        {
            "measure": measure.name,
            "figure": figure.name,
            "target": _of(target.system, target.words),
            "is": verdict and verdict.value,
            "met": verdict and verdict.met,
        }
        for measure in measures
        for figure in measure.figures
        for target in figure.targets
        for verdict in [judge(seen, measure, figure, target)]
    ]
    medians = [
        {"measure": measure.name, "figure": figure.name, "unit": figure.unit, "system": system, "median": value}
        for measure in measures
        for figure in measure.figures
        for system in measure.systems
        if (value := median_of(seen, measure, figure, system)) is not None
    ]
    return {"targets": targets, "medians": medians, "rounds": [asdict(one) for one in seen]}


def machine() -> dict[str, Any]:
    """Say what it runs on, what runs, and how busy the machine is just now."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_1min": os.getloadavg()[0],
        "nice": os.nice(0),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def keep(kept: dict[str, Any]) -> Path:
    """Write it below bench/results/; return the file."""
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    file = results / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(kept, indent=1) + "\n")
    return file


def _commit() -> str:
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # not a clone
        return "unknown"
