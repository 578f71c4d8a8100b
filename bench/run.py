"""Measures Taskyard on this machine: submitting, draining, and how soon a task starts on an idle system.

It starts PostgreSQL and RabbitMQ as the local run does, durable, in a folder of their own, and every part once. The
load comes from this process, on the same cores. Results go to the terminal and, as JSON, to bench/results/.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import load
import typer
from rich.console import Console
from rich.table import Table

from taskyard import schema
from taskyard.database import Session
from taskyard.local.client import Client
from taskyard.local.ports import Ports
from taskyard.local.postgresql import PostgreSQL
from taskyard.local.processes import Command, Supervisor
from taskyard.local.rabbitmq import RabbitMQ

ROOT = Path(__file__).parent.parent
BODY = b'{"name": "bench", "kind": "sleep"}'


@dataclass(frozen=True, slots=True)
class System:
    """What runs while it is measured."""

    port: int
    session: Session
    start_worker: Callable[[], None]


@contextmanager
def system(folder: Path) -> Iterator[System]:
    """Start servers, API and dispatcher; the worker comes when it is asked for."""
    supervisor = Supervisor(print)
    postgresql = PostgreSQL(folder / "postgresql")
    rabbitmq = RabbitMQ(folder / "rabbitmq", ROOT / ".dev" / "server")
    try:
        supervisor.start(postgresql, rabbitmq)
        schema.migrate(postgresql.url)
        port = Ports(folder / "ports.json").choose("api", None)
        environment = {
            **os.environ,
            "DATABASE_URL": postgresql.url,
            "CELERY_BROKER_URL": rabbitmq.url,
            "TASKYARD_API_PORT": str(port),
            "TASKYARD_AUTH": "none",
            "TASKYARD_LOG_LEVEL": "warning",
        }

        def part(name: str, ready: Callable[[], bool] | None = None) -> Command:
            program = Path(sys.executable).parent / f"taskyard-{name}"
            return Command(name, [program], environment=environment, log=folder / f"{name}.log", ready=ready)

        supervisor.start(part("api", Client(f"http://127.0.0.1:{port}").is_ready), part("dispatcher"))
        session = Session(postgresql.url, "bench")
        yield System(port, session, lambda: supervisor.start(part("worker")))
        session.close()
    finally:
        supervisor.stop()
        postgresql.remove()


def value(session: Session, statement: str, *values: Any) -> Any:
    """Return the first column of the first row."""

    def run(cursor: Any) -> Any:
        cursor.execute(statement, values)
        return (cursor.fetchone() or (None,))[0]

    return session.run(run)


def measure_submitting(running: System, seconds: float) -> dict[str, float]:
    """POST /tasks at 1, 16 and 64 connections, and in batches."""
    figures: dict[str, float] = {}
    load.post(running.port, "/tasks", BODY, 16, 1.0)  # warm up
    for connections in (1, 16, 64):
        measured = load.post(running.port, "/tasks", BODY, connections, seconds)
        figures[f"POST /tasks, {connections} connections, /s"] = measured.per_s
        figures[f"POST /tasks, {connections} connections, p99 ms"] = measured.quantile_ms(0.99)
    batch = json.dumps({"tasks": [{"name": "bench", "kind": "sleep"}] * 1000}).encode()
    batches = load.post(running.port, "/tasks/batch", batch, 2, seconds)
    figures["POST /tasks/batch of 1,000, tasks/s"] = 1000 * batches.per_s
    return figures


def measure_reading(running: System, seconds: float) -> dict[str, float]:
    """GET of one task, and of a page of 50."""
    one = load.get(running.port, "/tasks/1", 16, seconds)
    page = load.get(running.port, "/tasks?limit=50", 16, seconds)
    return {"GET /tasks/{id}, 16 connections, /s": one.per_s, "GET /tasks?limit=50, 16 connections, /s": page.per_s}


def measure_draining(running: System, count: int) -> dict[str, float]:
    """How fast two slots drain `sleep` 0 tasks that are there before the worker starts."""
    value(running.session, "WITH gone AS (DELETE FROM ready), moved AS (DELETE FROM tasks) SELECT 1")
    batch = json.dumps({"tasks": [{"name": "bench", "kind": "sleep"}] * (count // 5)}).encode()
    load.post_times(running.port, "/tasks/batch", batch, 5)
    running.start_worker()
    while value(running.session, "SELECT count(*) FROM tasks WHERE status = 'succeeded'") < count:
        time.sleep(0.2)
    took_s = value(running.session, "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM tasks")
    return {f"drain of {count} sleep-0 tasks, 2 slots, tasks/s": count / took_s}


def measure_starting(running: System, count: int) -> dict[str, float]:
    """From the commit of a submission to the start of its attempt, on an idle system with an idle worker."""
    highest = value(running.session, "SELECT max(id) FROM tasks")
    load.post_times(running.port, "/tasks", BODY, count, pause_s=0.1)
    while value(running.session, "SELECT count(*) FROM tasks WHERE status = 'succeeded' AND id > %s", highest) < count:
        time.sleep(0.1)
    quantile = "SELECT 1000 * percentile_cont(%s) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at)) "
    quantile += "FROM tasks WHERE id > %s"
    return {
        "POST to start, idle, p50 ms": value(running.session, quantile, 0.5, highest),
        "POST to start, idle, p99 ms": value(running.session, quantile, 0.99, highest),
    }


def show(figures: dict[str, float]) -> None:
    """Print the figures as a table."""
    table = Table("measure", "value")
    for name, figure in figures.items():
        table.add_row(name, f"{figure:,.1f}")
    Console(width=100).print(table)


def main(
    seconds: Annotated[float, typer.Option(help="Seconds of each load.")] = 5.0,
    drain: Annotated[int, typer.Option(help="Tasks to drain; a multiple of 5.")] = 5000,
    starts: Annotated[int, typer.Option(help="Tasks started on the idle system.")] = 100,
) -> None:
    """Measure, print a table, and keep the figures under bench/results/."""
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder, system(Path(folder)) as running:
        figures = measure_submitting(running, seconds) | measure_reading(running, seconds)
        figures |= measure_draining(running, drain) | measure_starting(running, starts)
    show(figures)
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    file = results / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(figures, indent=1) + "\n")
    typer.echo(f"kept in {file.relative_to(ROOT)}")


if __name__ == "__main__":
    typer.run(main)
