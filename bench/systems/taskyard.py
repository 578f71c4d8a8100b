"""Taskyard: API, dispatcher and a worker, each as an installation starts it."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from bench import load
from bench.systems.place import BIN, Place, Recorded
from taskyard import issuing
from taskyard.issuing import Person, Wish
from taskyard.keys import Scope
from taskyard.local.processes import Command
from taskyard_dispatcher.metrics import BUFFER, RECORD

_BATCH = 1000


class Taskyard(Recorded):
    """Taskyard with its default settings, but for `settings`."""

    with_tables = True

    def __init__(self, name: str, title: str, settings: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.title = title
        self.environment = {
            "TASKYARD_AUTH": "none",
            "TASKYARD_API_RATE_PER_S": "0",
            "TASKYARD_LOG_LEVEL": "warning",
            "TASKYARD_HANDLERS": "bench.handlers",
            **(settings or {}),
        }

    def front(self, place: Place) -> Sequence[Command]:
        """Return API and dispatcher."""
        place.environment["TASKYARD_API_PORT"] = str(place.port)
        now = place.value("SELECT clock_timestamp()")
        return [
            place.command("api", [BIN / "taskyard-api"], ready=place.answers),
            place.command("dispatcher", [BIN / "taskyard-dispatcher"], ready=lambda: _leads(place, now)),
        ]

    def worker(self, place: Place) -> Command:
        """Return a worker with two slots, the default."""
        return place.command("worker", [BIN / "taskyard-worker"])

    def fill(self, place: Place, count: int) -> None:
        """Submit them by batches."""
        for size in [_BATCH] * (count // _BATCH) + [count % _BATCH] * (count % _BATCH > 0):
            body = json.dumps({"tasks": [{"name": "bench", "kind": "sleep"}] * size}).encode()
            load.one_by_one(load.Request.post(place.port, "/tasks/batch", body, place.key), 1)

    def clear(self, place: Place) -> None:
        """Empty the tables; messages that are left in RabbitMQ would claim nothing, but cost."""
        place.value("WITH gone AS (DELETE FROM ready), moved AS (DELETE FROM tasks) SELECT 1")
        place.servers.purge("tasks.")


def _leads(place: Place, since: datetime) -> bool:
    """Whether a dispatcher that connected since then leads all queues and duties; till then it loads, and is busy."""
    led = place.value(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted "
        "AND datname = current_database() AND backend_start >= %s",
        since,
    )
    return bool(led >= place.value("SELECT count(*) FROM queues") + len((RECORD, BUFFER)))


class Keyed(Taskyard):
    """Taskyard that asks for keys and writes down who did what, as an installation for others does."""

    def __init__(self) -> None:
        super().__init__("keyed", "Taskyard with keys", {"TASKYARD_AUTH": "keys"})

    def prepare(self, place: Place) -> None:
        """Make a key."""
        with place.session.transaction() as cursor:
            place.key = issuing.create(cursor, Wish("bench", frozenset({Scope.ADMIN})), Person.of_this_process())
