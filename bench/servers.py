"""PostgreSQL and RabbitMQ as the local run starts them, durable, in a folder that is removed afterwards."""

import json
import re
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy.engine import make_url

from taskyard import migrating
from taskyard.local import rabbitmq as local_rabbitmq
from taskyard.local.placement import find_programs
from taskyard.local.postgresql import PostgreSQL
from taskyard.local.rabbitmq import RabbitMQ

ROOT = Path(__file__).parent.parent
_COUNT = re.compile(r"messages_(received|confirmed|delivered|acknowledged)_total\s*=>\s*(\d+)")
_TABLES = "bench_tables"  # a database with Taskyard's tables, to be copied


@dataclass(frozen=True, slots=True)
class Servers:
    """Both servers, and the folder for whatever else a turn writes."""

    folder: Path
    postgresql: PostgreSQL
    rabbitmq: RabbitMQ

    def new_database(self, name: str, *, with_tables: bool) -> str:
        """Make the database `name`, in place of an older one, with Taskyard's tables or empty; return its URL."""
        self._administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._administer(f"CREATE DATABASE {name} TEMPLATE {_TABLES if with_tables else 'template0'}")
        return self._url(name)

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is connected."""
        self._administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def checkpoint(self) -> None:
        """Have PostgreSQL write now what it would have written in somebody else's turn."""
        self._administer("CHECKPOINT")

    def count_statements(self, url: str, *, counting: bool) -> None:
        """Begin or end to count the statements of clients in the database `url`, where PostgreSQL can."""
        if not _can_count():
            return
        if counting:
            self._administer("CREATE EXTENSION IF NOT EXISTS pg_stat_statements", make_url(url).database)
        self._administer(f"ALTER SYSTEM SET pg_stat_statements.track = {'top' if counting else 'none'}")
        self._administer("SELECT pg_reload_conf()")

    def queues(self) -> list[str]:
        """Return the names of all queues."""
        return [queue["name"] for queue in self.broker("queues?columns=name")]

    def purge(self, prefix: str) -> None:
        """Drop what waits in the queues whose names begin so."""
        for queue in self.queues():
            if queue.startswith(prefix):
                self.rabbitmq.purge(queue)

    def broker(self, path: str) -> Any:
        """Ask RabbitMQ's management API."""
        token = b64encode(f"{local_rabbitmq.USER}:{local_rabbitmq.PASSWORD}".encode()).decode()
        request = urllib.request.Request(f"{self.rabbitmq.management_url}/api/{path}")
        request.add_header("Authorization", f"Basic {token}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)

    def messages(self) -> dict[str, int]:
        """Return RabbitMQ's own counts, by name: those of the management API are seconds late."""
        counts: dict[str, int] = {}
        for name, count in _COUNT.findall(self.rabbitmq.ctl("eval", "rabbit_global_counters:overview().")):
            counts[name] = counts.get(name, 0) + int(count)  # by protocol, or by protocol and type of queue
        return counts

    def versions(self) -> dict[str, str]:
        """Say what they are."""
        overview = self.broker("overview")
        return {
            "postgresql": self._administer("SHOW server_version"),
            "rabbitmq": f"{overview['rabbitmq_version']} on Erlang {overview['erlang_version']}",
        }

    def _make_tables(self) -> None:
        self._administer(f"CREATE DATABASE {_TABLES}")
        migrating.migrate(self._url(_TABLES))

    def _url(self, database: str) -> str:
        return make_url(self.postgresql.url).set(database=database).render_as_string(hide_password=False)

    def _administer(self, statement: str, database: str | None = None) -> str:
        """Run a statement outside of any transaction; return the first column of its first row, if it has any."""
        parts = make_url(self.postgresql.url)
        connection = psycopg2.connect(
            host=parts.host,
            port=parts.port,
            user=parts.username,
            password=parts.password,
            dbname=database or "postgres",
        )
        connection.autocommit = True
        try:
            cursor = connection.cursor()
            cursor.execute(statement)
            return str((cursor.fetchone() or ("",))[0]) if cursor.description else ""
        finally:
            connection.close()


@contextmanager
def running(folder: Path) -> Iterator[Servers]:
    """Start both in `folder`; end and remove them afterwards."""
    postgresql = PostgreSQL(folder / "postgresql", settings=_settings())
    rabbitmq = RabbitMQ(folder / "rabbitmq", ROOT / ".dev" / "server", say=print)
    try:
        postgresql.start()
        rabbitmq.start()
        servers = Servers(folder, postgresql, rabbitmq)
        servers.count_statements(postgresql.url, counting=False)
        servers._make_tables()  # noqa: SLF001 - its own
        yield servers
    finally:
        rabbitmq.stop()
        postgresql.remove()


def _can_count() -> bool:
    return (find_programs().parent / "lib/pg_stat_statements.so").exists()


def _settings() -> dict[str, str]:
    """Have PostgreSQL ready to count statements; it does not before a measure asks for it, since that costs."""
    return {"shared_preload_libraries": "pg_stat_statements"} if _can_count() else {}
