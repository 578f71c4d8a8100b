"""The installation that is broken on purpose: servers and parts of its own, with a network that can be cut between."""

import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from taskyard import migrating
from taskyard.database import Session
from taskyard.errors import UnavailableError
from taskyard.grants import role_of
from taskyard.local.errors import LocalRunError
from taskyard.local.ports import LOOPBACK, Ports
from taskyard.local.postgresql import PostgreSQL
from taskyard.local.processes import Command, Supervisor
from taskyard.local.rabbitmq import RabbitMQ
from taskyard.verify.client import Client
from taskyard.verify.faults import clock
from taskyard.verify.faults.environment import MARK, part_environment
from taskyard.verify.faults.held import Held
from taskyard.verify.faults.proxy import Network, State
from taskyard.verify.faults.volume import Volume

QUEUE: Final = "default"
BUFFER: Final = f"tasks.{QUEUE}"
WORKERS: Final = ("worker-1", "worker-2")
DISPATCHERS: Final = ("dispatcher-1", "dispatcher-2")
PARTS: Final = ("api", *DISPATCHERS, *WORKERS)
_SERVERS: Final = {
    "api": ("postgresql",),
    "dispatcher": ("postgresql", "rabbitmq"),
    "worker": ("postgresql", "rabbitmq"),
}
_BACK_S: Final = 120.0
_EXCLUSIVE_S: Final = 90.0
_LOOK_S: Final = 0.2
# What is killed comes back at once: it is a fault of the harness, and not of the part.
_PAUSE_S: Final = 0.3


class SkippedError(Exception):
    """A fault could not be injected, and why."""


@dataclass(frozen=True, slots=True)
class OnStage:
    """A part: the command that is kept running, and the file that sets its clock."""

    name: str
    held: Held[Command]
    clock: Path

    @property
    def process(self) -> psutil.Process:
        """Its process.

        Raises:
            SkippedError: it is just being started.
        """
        try:
            return psutil.Process(self.held.part.pid or -1)
        except (psutil.NoSuchProcess, ValueError):
            raise SkippedError(f"{self.name} was not running") from None

    def children(self) -> list[psutil.Process]:
        """Return its children that live."""
        with suppress(psutil.NoSuchProcess, SkippedError):
            return [child for child in self.process.children() if child.status() != psutil.STATUS_ZOMBIE]
        return []


class Stage:
    """All of it, in `directory`; `server_directory` is where RabbitMQ is unpacked. Made anew by each run."""

    def __init__(self, directory: Path, server_directory: Path, lease_s: float) -> None:
        self.directory = directory
        self.run = f"v{uuid.uuid4().hex[:8]}"
        self.ending = threading.Event()
        self._lease_s = lease_s
        self._logs = directory / "log"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._story = (directory / "story.log").open("a", buffering=1, encoding="utf-8")
        self._locks: dict[str, threading.Lock] = {}
        self._locks_lock = threading.Lock()
        self._supervisor = Supervisor(self.note, first_pause_s=_PAUSE_S, longest_pause_s=_PAUSE_S)
        self.volume = Volume(directory / "postgresql")
        settings = {"max_wal_size": "256MB", "min_wal_size": "32MB", "log_min_messages": "log"}
        self.postgresql = Held(PostgreSQL(self.volume.directory, settings=settings))
        self.rabbitmq = Held(RabbitMQ(directory / "rabbitmq", server_directory, say=self.note))
        self.network: Network | None = None
        self._network_lock = threading.Lock()
        self._urls: dict[str, str] = {}
        self.parts: dict[str, OnStage] = {}
        self.links: list[str] = []
        self._ports = Ports(directory / "ports.json")
        self.api_url = ""

    def note(self, line: str) -> None:
        """Write into the story of the run."""
        self._story.write(f"{line}\n")

    def start(self) -> None:
        """Start everything, and return when work can be handed in and is done.

        Raises:
            LocalRunError: something does not start.
        """
        self._supervisor.start(self.postgresql, self.rabbitmq)
        migrating.migrate(self.postgresql.part.url)
        api_port = self._ports.choose("api", None)
        self.api_url = f"http://{LOOPBACK}:{api_port}"
        self._connect()
        for name in PARTS:
            self.parts[name] = self._part(name, api_port)
        self._supervisor.start(*(part.held for part in self.parts.values()))
        self.wait_until(self.serves, "the API serves")
        self.settle()

    def stop_parts(self) -> None:
        """End the parts in peace, and return when nothing of them is left; the servers stay."""
        for part in self.parts.values():
            with suppress(psutil.Error, SkippedError):
                part.process.resume()
        for part in self.parts.values():
            part.held.stop()

    def stop(self) -> None:
        """End everything, and return when nothing is left running."""
        self.ending.set()
        self._supervisor.kill()
        if self.network is not None:
            self.network.stop()
        with suppress(OSError):
            shutil.copy(self.postgresql.log, self._logs)
        self.volume.remove()
        self._story.close()

    def settle(self) -> None:
        """Have RabbitMQ stopped cleanly and started once, after its queues were made.

        RabbitMQ 3.10, which Debian 12 has, can break a quorum queue for good when it is killed within seconds of making
        it. Later versions do not need this, and it does them no harm.
        """
        self.wait_until(self.has_queue, "RabbitMQ has its queues")
        self.rabbitmq.part.stop()
        self.wait_until(self.has_queue, "RabbitMQ is back")

    def serves(self) -> bool:
        """Return whether the API says that it can serve."""
        client = Client(self.api_url)
        try:
            return client.is_ready()
        finally:
            client.close()

    def wait_until(self, condition: Callable[[], bool], what: str, limit_s: float = _BACK_S) -> None:
        """Wait for a condition.

        Raises:
            LocalRunError: it was not true within `limit_s`, or the run ends.
        """
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            with suppress(LocalRunError, OSError):
                if condition():
                    return
            if self.ending.wait(_LOOK_S):
                break
        raise LocalRunError(f"not within {limit_s:g} s: {what}; see {self._logs}")

    @contextmanager
    def exclusive(self, *names: str) -> Iterator[None]:
        """Let no other fault at what `names` say meanwhile.

        Raises:
            SkippedError: another was at it for too long.
        """
        taken: list[threading.Lock] = []
        try:
            for name in sorted(names):
                with self._locks_lock:
                    lock = self._locks.setdefault(name, threading.Lock())
                if not lock.acquire(timeout=_EXCLUSIVE_S):
                    raise SkippedError(f"another fault was at {name}")
                taken.append(lock)
            yield
        finally:
            for lock in taken:
                lock.release()

    def strays(self) -> list[psutil.Process]:
        """Return the processes that parts of this run left behind, found by a mark in their environment."""
        found = []
        for process in psutil.process_iter(["pid"]):
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self.run and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def set_link(self, link: str, state: State) -> None:
        """Have a link of the network be in `state` from now on."""
        with self._network_lock:
            if self.network is not None:
                self.network.set(link, state)

    def has_queue(self) -> bool:
        """Return whether RabbitMQ runs and has the queue."""
        return self.rabbitmq.part.running and self.rabbitmq.part.depth(BUFFER) >= 0

    def has_database(self) -> bool:
        """Return whether PostgreSQL runs and answers."""
        session = Session(self.postgresql.part.url, "verify")
        try:
            session.run(lambda cursor: cursor.execute("SELECT 1"))
        except UnavailableError:
            return False
        else:
            return True
        finally:
            session.close()

    def _connect(self) -> None:
        """Make a link from each part to each server that it talks to."""
        servers = {"postgresql": self.postgresql.part.port, "rabbitmq": self.rabbitmq.part.port}
        names = [f"{part} {server}" for part in PARTS for server in _SERVERS[part.partition("-")[0]]]
        ports: Mapping[str, tuple[int, int]] = {
            name: (self._ports.choose(name, None), servers[name.split()[1]]) for name in names
        }
        self.network = Network(ports)
        self.links = names
        self._urls = {name: self._url_of(name, *pair) for name, pair in ports.items()}

    def _url_of(self, link: str, port: int, server_port: int) -> str:
        """Return the address of a server for a part, which comes as itself, over its link."""
        part, server = link.partition("-")[0].split()[0], link.split()[1]
        url = self.postgresql.part.url_of(role_of(part)) if server == "postgresql" else self.rabbitmq.part.url_of(part)
        return url.replace(f":{server_port}/", f":{port}/")

    def _part(self, name: str, api_port: int) -> OnStage:
        program = f"taskyard-{name.partition('-')[0]}"
        file = self.directory / f"{name}.clock"
        file.write_text("0", encoding="ascii")
        urls = {"DATABASE_URL": self._urls[f"{name} postgresql"], clock.FILE: str(file), MARK: self.run}
        if (broker := f"{name} rabbitmq") in self._urls:
            urls["CELERY_BROKER_URL"] = self._urls[broker]
        command = Command(
            name,
            [sys.executable, "-m", clock.__name__, program],
            environment=part_environment(name, api_port, self._lease_s) | urls,
            log=self._logs / f"{name}.log",
        )
        return OnStage(name, Held(command), file)
