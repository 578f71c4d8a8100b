"""Measures what keys and the audit cost: the same load on two API processes, one of which asks for a key.

Both stand on one durable PostgreSQL, and take turns within a run, so that the ratio holds on a busy machine too.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import load
import psutil
import typer
from rich.console import Console
from rich.table import Table

from taskyard import issuing, schema
from taskyard.database import Session
from taskyard.issuing import Person, Wish
from taskyard.keys import Scope
from taskyard.local.client import Client
from taskyard.local.ports import Ports
from taskyard.local.postgresql import PostgreSQL
from taskyard.local.processes import Command, Supervisor

BODY = b'{"name": "bench", "kind": "sleep"}'
Measure = Callable[[int, str | None], load.Measured]
BATCH = json.dumps({"tasks": [{"name": "bench", "kind": "sleep"}] * 1000}).encode()


@contextmanager
def two_apis(folder: Path) -> Iterator[tuple[int, int, str]]:
    """Start PostgreSQL and both; give the port of the one without keys, of the one with, and a key for it."""
    supervisor = Supervisor(print)
    postgresql = PostgreSQL(folder / "postgresql")
    try:
        supervisor.start(postgresql)
        schema.migrate(postgresql.url)
        session = Session(postgresql.url, "bench")
        with session.transaction() as cursor:
            key = issuing.create(cursor, Wish("bench", frozenset({Scope.ADMIN})), Person.of_this_process())
        session.close()
        ports = Ports(folder / "ports.json")
        open_port, keyed_port = ports.choose("open", None), ports.choose("keyed", None)

        def api(auth: str, port: int) -> Command:
            environment = {
                **os.environ,
                "DATABASE_URL": postgresql.url,
                "TASKYARD_API_PORT": str(port),
                "TASKYARD_API_RATE_PER_S": "0",
                "TASKYARD_AUTH": auth,
                "TASKYARD_LOG_LEVEL": "warning",
            }
            program = Path(sys.executable).parent / "taskyard-api"
            ready = Client(f"http://127.0.0.1:{port}").is_ready
            return Command(f"api-{auth}", [program], environment=environment, log=folder / f"{auth}.log", ready=ready)

        supervisor.start(api("none", open_port), api("keys", keyed_port))
        yield open_port, keyed_port, key
    finally:
        supervisor.stop()
        postgresql.remove()


@dataclass(slots=True)
class Cost:
    """What the turns of one API came to: answers, their time, and that of processors, in the API and in PostgreSQL."""

    answers: int = 0
    took_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, measure: Measure, port: int, key: str | None) -> None:
        """Take another turn."""
        before_s, began = cpu_s(port), time.monotonic()
        measured = measure(port, key)
        self.took_s += time.monotonic() - began
        self.cpu_s += cpu_s(port) - before_s
        self.answers += len(measured.latencies_s)

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return self.answers / self.took_s

    @property
    def cpu_ms(self) -> float:
        """The time of processors that one answer took."""
        return 1000 * self.cpu_s / self.answers


def cpu_s(port: int) -> float:
    """Return the time of processors that the API at `port` and PostgreSQL have used."""
    used_s = 0.0
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # PostgreSQL's own helpers come and go
            if one.name().startswith("postgres") or _listens(one, port):
                used_s += one.cpu_times().user + one.cpu_times().system
    return used_s


def _listens(process: psutil.Process, port: int) -> bool:
    return any(
        connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        for connection in process.net_connections("tcp")
    )


def main(
    seconds: Annotated[float, typer.Option(help="Seconds of each turn.")] = 0.5,
    rounds: Annotated[int, typer.Option(help="How often both take their turn.")] = 20,
) -> None:
    """Measure answers a second, and the processor time of each, by turns: that evens out what else the machine does."""
    with tempfile.TemporaryDirectory(prefix="taskyard-bench-") as folder, two_apis(Path(folder)) as running:
        open_port, keyed_port, key = running

        def posting(path: str, body: bytes, connections: int) -> Measure:
            return lambda port, with_key: load.post(port, path, body, connections, seconds, with_key)

        loads: dict[str, Measure] = {
            "POST /tasks, 1 connection": posting("/tasks", BODY, 1),
            "POST /tasks, 16 connections": posting("/tasks", BODY, 16),
            "POST /tasks, 64 connections": posting("/tasks", BODY, 64),
            "POST /tasks/batch of 1,000, 2 connections": posting("/tasks/batch", BATCH, 2),
            "GET /tasks/1, 16 connections": lambda port, with_key: load.get(port, "/tasks/1", 16, seconds, with_key),
        }
        table = Table("load", "without, /s", "keys and audit, /s", "ratio", "without, CPU ms", "with, CPU ms", "ratio")
        for name, measure in loads.items():
            measure(open_port, None)  # warm up
            measure(keyed_port, key)
            without, keyed = Cost(), Cost()
            for _ in range(rounds):
                without.add(measure, open_port, None)
                keyed.add(measure, keyed_port, key)
            row = [f"{without.per_s:,.1f}", f"{keyed.per_s:,.1f}", f"{keyed.per_s / without.per_s:.2f}"]
            row += [f"{without.cpu_ms:.3f}", f"{keyed.cpu_ms:.3f}", f"{keyed.cpu_ms / without.cpu_ms:.2f}"]
            table.add_row(name, *row)
            typer.echo(f"{name}: {', '.join(row)}")
    Console(width=140).print(table)


if __name__ == "__main__":
    typer.run(main)
