"""What is shown and kept of a run, without any server."""

import json

from rich.console import Console

from bench import report
from bench.measures import Figure, Measure, Target
from bench.verdicts import Seen

RATE = Figure("per_s", "drain", "/s", (Target(5, "raw"), Target(0.7, "raw", system="single")))
LATENCY = Figure("p99", "drain, p99", "ms", (Target(50, at_most=True),))
MEASURE = Measure("drain", "back", ("raw", "taskyard", "single"), lambda _: {}, (RATE, LATENCY))
SEEN = [
    Seen(1, "raw", "drain", "per_s", 1000.0),
    Seen(1, "taskyard", "drain", "per_s", 6000.0),
    Seen(1, "taskyard", "drain", "p99", 61.5),
    Seen(1, "single", "drain", "per_s", 650.0),
]


def shown(measures, seen):
    console = Console(width=160, no_color=True)
    with console.capture() as captured:
        console.print(report.table(measures, seen))
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in captured.get().splitlines() if "│" in line]


def test_the_table_has_medians_targets_ratios_and_verdicts():
    assert shown([MEASURE], SEEN) == [
        ["drain, /s", "6,000", "650", "1,000", "≥ 5 × raw", "6.00 ×", "yes"],
        ["", "", "", "", "single: ≥ 0.7 × raw", "0.65 ×", "no"],
        ["drain, p99, ms", "61.50", "", "", "≤ 50", "61.50", "no"],
    ]


def test_a_figure_that_nobody_has_is_no_row():
    assert [row[0] for row in shown([MEASURE], SEEN[:1])] == ["drain, /s", ""]


def test_the_file_has_targets_medians_and_all_rounds():
    kept = json.loads(json.dumps(report.document([MEASURE], SEEN)))
    assert [(each["target"], each["is"], each["met"]) for each in kept["targets"]] == [
        ("≥ 5 × raw", 6.0, True),
        ("single: ≥ 0.7 × raw", 0.65, False),
        ("≤ 50", 61.5, False),
    ]
    assert {(each["figure"], each["system"]): each["median"] for each in kept["medians"]} == {
        ("per_s", "raw"): 1000.0,
        ("per_s", "taskyard"): 6000.0,
        ("per_s", "single"): 650.0,
        ("p99", "taskyard"): 61.5,
    }
    assert kept["rounds"][0] == {"round": 1, "system": "raw", "measure": "drain", "figure": "per_s", "value": 1000.0}


def test_what_was_not_measured_is_kept_as_such():
    [ratio, *_] = report.document([MEASURE], SEEN[:1])["targets"]
    assert (ratio["is"], ratio["met"]) == (None, None)


def test_the_machine_is_told_with_what_runs_on_it():
    machine = report.machine()
    assert machine["cores"] >= 1
    assert machine["commit"]
    assert {"celery", "fastapi", "uvicorn"} <= machine["packages"].keys()
    assert json.dumps(machine)
