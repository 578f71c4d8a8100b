"""What a system is, to the harness: commands to start, and how to give it work and see it done."""

import os
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.servers import ROOT, Servers
from taskyard.database import Session
from taskyard.local.processes import Command

BIN = Path(sys.executable).parent
_POLL_S = 0.2
STARTING_S = 90.0
"""That a worker has to start on a busy machine, which is no part of what is measured."""


@dataclass(slots=True)
class Place:
    """Where one turn of a system takes place. `key` is what its API wants to see, where it wants any."""

    servers: Servers
    database_url: str
    port: int
    session: Session
    key: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, name: str, words: Sequence[str | Path], *, ready: Callable[[], bool] | None = None) -> Command:
        """Make a command of the system, with its environment; it has started when it is `ready`."""
        log = self.servers.folder / f"{name}.log"
        return Command(name, words, environment=self.environment, log=log, grace_s=20.0, ready=ready)

    def value(self, statement: str, *values: Any) -> Any:
        """Return the first column of the first row."""
        return self.row(statement, *values)[0]

    def row(self, statement: str, *values: Any) -> tuple[Any, ...]:
        """Return the first row; (None,) where there is none."""
        return (*self.rows(statement, *values), (None,))[0]

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return all rows."""

        def run(cursor: Any) -> list[tuple[Any, ...]]:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

        return self.session.run(run)

    def statements(self) -> int | None:
        """Return how many statements of clients were counted in the database; None where it cannot count them."""
        if not self.value("SELECT to_regclass('pg_stat_statements')"):
            return None
        own_database = "dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        return int(self.value(f"SELECT sum(calls) FROM pg_stat_statements WHERE {own_database}"))

    def answers(self) -> bool:
        """Whether the API says that it is ready."""
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                f"http://127.0.0.1:{self.port}/readyz", timeout=5
            ):
                return True
        except OSError:
            return False


class System(ABC):
    """Something that takes tasks. What it cannot do, no measure asks of it."""

    name: str
    """A word, for measures and for JSON."""

    title: str
    """What the table calls it."""

    with_tables = False
    """Whether its database is to have Taskyard's tables."""

    environment: dict[str, str] = {}  # noqa: RUF012 - never changed
    """What it adds to the environment of its commands."""

    def prepare(self, place: Place) -> None:  # noqa: ARG002 - few need it
        """Do what has to be done before anything starts: nothing, mostly."""
        return

    @abstractmethod
    def front(self, place: Place) -> Sequence[Command]:
        """Return all its commands but the worker, in the order of their start."""

    def worker(self, place: Place) -> Command:
        """Return its worker with two slots."""
        raise NotImplementedError(self.name)

    def fill(self, place: Place, count: int) -> None:
        """Have so many tasks that do nothing wait for a worker."""
        raise NotImplementedError(self.name)

    def clear(self, place: Place) -> None:
        """Forget all tasks, waiting and done. What a worker has in hand it may not find any more."""
        raise NotImplementedError(self.name)

    def drain(self, place: Place, count: int, limit_s: float) -> float:
        """Wait until the `count` tasks there are done, or, from the first on, for `limit_s`; return them per second."""
        raise NotImplementedError(self.name)


class Recorded(System):
    """A system with a table `tasks` that has `status`, `created_at`, `started_at` and `finished_at`."""

    def finished(self, place: Place, above: int = 0) -> int:
        """Return how many tasks with a higher id than `above` are done."""
        return int(place.value("SELECT count(*) FROM tasks WHERE status = 'succeeded' AND id > %s", above))

    def await_finished(self, place: Place, count: int, limit_s: float, above: int = 0) -> int:
        """Wait for so many; return how many there are, fewer where `limit_s` is over first."""
        deadline = time.monotonic() + limit_s
        while (done := self.finished(place, above)) < count and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return done

    def drain(self, place: Place, count: int, limit_s: float) -> float:
        """Count by the record, from the first start to the last end."""
        self.await_finished(place, 1, STARTING_S)
        self.await_finished(place, count, limit_s)
        done, took_s = place.row(
            "SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at))::float8 "
            "FROM tasks WHERE status = 'succeeded'"
        )
        if not done:
            raise RuntimeError(f"{self.name} finished nothing within {STARTING_S + limit_s:.0f} s")
        return float(done / took_s)


def environment_of(system: System, place: Place) -> dict[str, str]:
    """Return the whole environment of the system's commands."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": place.database_url,
        "CELERY_BROKER_URL": place.servers.rabbitmq.url,
        **system.environment,
    }
