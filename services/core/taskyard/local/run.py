"""The local run: from nothing to a finished task, then everything stays up until Ctrl-C.

The parts are the same programs as in a container, and get the same settings; only the addresses differ.
"""

import fcntl
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from taskyard.grants import role_of
from taskyard.local import spawning
from taskyard.local.client import Client
from taskyard.local.errors import LocalRunError
from taskyard.local.placement import find_programs
from taskyard.local.ports import LOOPBACK, Ports
from taskyard.local.postgresql import PostgreSQL
from taskyard.local.processes import Command, Supervisor
from taskyard.local.rabbitmq import PASSWORD, USER, RabbitMQ
from taskyard.local.terminal import Terminal

_MIGRATE_S: Final = 300.0
_FIRST_TASK_S: Final = 120.0
_USUAL_PORTS: Final = {
    "api": 8000,
    "flower": 5555,
    "api metrics": 9101,
    "dispatcher metrics": 9102,
    "worker metrics": 9103,
}
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(directory: Path, *, once: bool = False, flower: bool = True) -> int:
    """Run Taskyard with all it needs, its state in `directory`, until a signal asks to stop; return the exit status.

    With `once` it ends after the first finished task, with 0 where that succeeded. It says on the terminal what it
    does, and leaves no process behind.
    """
    terminal = Terminal()
    supervisor = Supervisor(terminal.say)
    status = 1
    with _told_by_signals():
        try:
            with _locked(directory, terminal), _stopping(terminal, supervisor):
                status = _Run(directory.absolute(), terminal, supervisor).start(flower=flower)
                if not once:
                    terminal.say("Ctrl-C stops everything")
                    threading.Event().wait()
        except LocalRunError:  # said already
            return 1
        except _StopAsked:
            return 1 if once else 0
    return status


class _StopAsked(BaseException):
    """A signal asked the run to stop."""


class _Run:
    """The steps of one run."""

    def __init__(self, directory: Path, terminal: Terminal, supervisor: Supervisor) -> None:
        self._directory = directory
        self._terminal = terminal
        self._supervisor = supervisor
        self._logs = directory / "log"
        self._ports: dict[str, int] = {}
        self._first_task = 0
        self._postgresql = PostgreSQL(directory / "postgresql", 5432)
        self._rabbitmq = RabbitMQ(directory / "rabbitmq", directory / "server", 5672, 15672, say=terminal.say)

    def start(self, *, flower: bool) -> int:
        """Start everything, prove it with a task, and show where it is; return 0 where the task succeeded."""
        self._start_servers()
        self._migrate()
        succeeded = self._start_parts()
        if flower:
            self._start_flower()
        self._terminal.addresses(self._addresses(flower=flower))
        return 0 if succeeded else 1

    def _start_servers(self) -> None:
        shutil.rmtree(self._logs, ignore_errors=True)  # each run has its own
        self._logs.mkdir(parents=True)
        self._terminal.say("starting PostgreSQL and RabbitMQ")
        self._supervisor.start(self._postgresql, self._rabbitmq)
        self._note_port("PostgreSQL", self._postgresql.port, 5432)
        self._note_port("RabbitMQ", self._rabbitmq.port, 5672)
        self._note_port("RabbitMQ's UI", self._rabbitmq.management_port, 15672)
        ports = Ports(self._directory / "ports.json")
        self._ports = {name: ports.choose(name, usual) for name, usual in _USUAL_PORTS.items()}
        for name, usual in _USUAL_PORTS.items():
            self._note_port(name, self._ports[name], usual)

    def _note_port(self, name: str, port: int, usual: int) -> None:
        if port != usual:
            self._terminal.say(f"port {usual} is taken: {name} listens on {port}")

    def _migrate(self) -> None:
        self._terminal.say("PostgreSQL and RabbitMQ run; migrating the database")
        log = self._logs / "migrate.log"
        process = spawning.spawn(
            [_script("taskyard"), "migrate"],
            environment=self._environment({"DATABASE_URL": self._postgresql.url}),
            log=log,
        )
        spawning.finish(process, "taskyard migrate", log, _MIGRATE_S)

    def _start_parts(self) -> bool:
        """Start the parts and see one task through; return whether it succeeded."""
        self._terminal.say("starting the API, the dispatcher and a worker")
        client = Client(self._url("api"))
        listens = {"TASKYARD_API_HOST": LOOPBACK, "TASKYARD_API_PORT": str(self._ports["api"]), "TASKYARD_AUTH": "none"}
        self._supervisor.start(
            self._part("api", listens, ready=client),
            self._part("dispatcher", {}),
            self._part("worker", {"TASKYARD_CONCURRENCY": os.environ.get("TASKYARD_CONCURRENCY", "2")}),
        )
        task = client.submit("Process Data")
        self._terminal.say(f'submitted task {task["id"]}: POST /tasks/ {{"name": "Process Data"}}')
        self._first_task = int(task["id"])
        task = client.finished(self._first_task, _FIRST_TASK_S)
        line = f"task {task['id']} {task['status']}, {self._terminal.elapsed_s:.1f} s after the start"
        succeeded = bool(task["status"] == "succeeded")
        (self._terminal.succeed if succeeded else self._terminal.fail)(line)
        return succeeded

    def _start_flower(self) -> None:
        api = self._rabbitmq.management_url.replace("://", "://flower:flower@") + "/api/"
        self._supervisor.start(
            Command(
                "flower",
                [_script("taskyard-flower")],
                environment=self._environment(
                    {
                        "CELERY_BROKER_URL": self._rabbitmq.url_of("flower"),
                        "TASKYARD_FLOWER_HOST": LOOPBACK,
                        "TASKYARD_FLOWER_PORT": str(self._ports["flower"]),
                        "TASKYARD_FLOWER_BROKER_API": api,
                    }
                ),
                log=self._logs / "flower.log",
            )
        )

    def _part(self, name: str, settings: Mapping[str, str], ready: Client | None = None) -> Command:
        own = {
            "DATABASE_URL": self._postgresql.url_of(role_of(name)),
            "TASKYARD_METRICS_HOST": LOOPBACK,
            "TASKYARD_METRICS_PORT": str(self._ports[f"{name} metrics"]),
        }
        if name != "api":
            own["CELERY_BROKER_URL"] = self._rabbitmq.url_of(name)
        return Command(
            name,
            [_script(f"taskyard-{name}")],
            environment=self._environment({**own, **settings}),
            log=self._logs / f"{name}.log",
            ready=ready.is_ready if ready else None,
        )

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "TASKYARD_LOG_FORMAT": "console",
            **settings,
        }

    def _url(self, name: str) -> str:
        return f"http://{LOOPBACK}:{self._ports[name]}"

    def _addresses(self, *, flower: bool) -> Iterator[tuple[str, str]]:
        yield "API", f"{self._url('api')}/tasks"
        yield "API documentation", f"{self._url('api')}/docs"
        if flower:
            yield "Flower", self._url("flower")
        yield "RabbitMQ", f"{self._rabbitmq.management_url}  (user {USER}, password {PASSWORD})"
        database = self._postgresql.url.replace("+psycopg2", "")
        yield "PostgreSQL", database
        yield "psql", f"{shutil.which('psql') or find_programs() / 'psql'} {database}"
        yield (
            "Metrics",
            ", ".join(f"{self._url(f'{name} metrics')}/metrics" for name in ("api", "dispatcher", "worker")),
        )
        yield "Logs", str(self._logs)
        yield "Try", f"curl {self._url('api')}/tasks/{self._first_task}"


def _script(name: str) -> Path:
    return Path(sys.executable).parent / name


@contextmanager
def _stopping(terminal: Terminal, supervisor: Supervisor) -> Iterator[None]:
    """Stop all parts at the end of the block, however it ends; another signal meanwhile kills them."""

    def kill_now(_signal: int, _frame: FrameType | None) -> None:
        terminal.say("killing what is left")
        threading.Thread(target=supervisor.kill, daemon=True).start()

    try:
        yield
    except LocalRunError as error:
        terminal.fail(str(error))
        raise
    finally:
        for number in _SIGNALS:
            signal.signal(number, kill_now)
        terminal.say("stopping")
        supervisor.stop()
        terminal.say("stopped; nothing is left running")


@contextmanager
def _told_by_signals() -> Iterator[None]:
    """Have signals raise `_StopAsked` in the main thread, and restore what they did before at the end."""

    def ask(_signal: int, _frame: FrameType | None) -> None:
        raise _StopAsked

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _locked(directory: Path, terminal: Terminal) -> Iterator[None]:
    """Hold `directory` against other runs.

    Raises:
        LocalRunError: another run has it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            message = f"process {lock.read().strip()} runs Taskyard from {directory} already"
            terminal.fail(message)
            raise LocalRunError(message) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
