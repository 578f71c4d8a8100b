"""The parts as real processes on real servers, and a client that asks them as a user would."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy.engine import make_url

from taskyard.grants import role_of
from taskyard.local.postgresql import PostgreSQL
from taskyard.local.rabbitmq import RabbitMQ
from waiting import eventually

FINAL = ("succeeded", "failed", "cancelled")
HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Part:
    """One process of one part, with its log in a file; `words` are its command, where that is not the installed one."""

    def __init__(self, name: str, environment: dict[str, str], log: Path, words: Sequence[str] = ()) -> None:
        self.name = name
        self.words = words or [str(Path(sys.executable).parent / f"taskyard-{name}")]
        self.environment = environment
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Part":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.words,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def children(self) -> list[psutil.Process]:
        return [child for child in psutil.Process(self.pid).children() if child.status() != psutil.STATUS_ZOMBIE]

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self, deadline_s: float = 60.0) -> int:
        """End it politely and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(deadline_s)

    def said(self, words: str) -> bool:
        return words in self.log.read_text(errors="replace")


class Stack:
    """Taskyard on one machine. Parts are started on request; all that were are ended at the end."""

    def __init__(self, database_url: str, postgresql: PostgreSQL, rabbitmq: RabbitMQ, folder: Path) -> None:
        self.database = make_url(database_url).database
        self.postgresql = postgresql
        self.rabbitmq = rabbitmq
        self.folder = folder
        self.port = free_port()
        self.parts: list[Part] = []
        self.environment = {
            "PYTHONPATH": str(HERE),
            "TASKYARD_HANDLERS": "handlers_under_test",
            "TASKYARD_API_PORT": str(self.port),
            "TASKYARD_AUTH": "none",
            "TASKYARD_LOG_FORMAT": "json",
            "TASKYARD_LEASE_S": "4",
            "TASKYARD_SETTLE_S": "1.5",
            "TASKYARD_INTERRUPT_GRACE_S": "1",
            "TASKYARD_CONSISTENCY_PASS_S": "0.5",
        }
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=65)

    def logins(self, name: str) -> dict[str, str]:
        """Return the addresses of the servers with the login of a part, which may do there no more than it needs."""
        own = make_url(self.postgresql.url_of(role_of(name))).set(database=self.database)
        broker = {} if name == "api" else {"CELERY_BROKER_URL": self.rabbitmq.url_of(name)}
        return {"DATABASE_URL": own.render_as_string(hide_password=False), **broker}

    def part(self, name: str, words: Sequence[str] = (), **environment: str) -> Part:
        number = len(self.parts) + 1
        settings = {**self.environment, **self.logins(name), **environment}
        part = Part(name, settings, self.folder / f"{number}-{name}.log", words)
        if name == "worker":
            part.environment.setdefault("TASKYARD_WORKER_NAME", f"w{number}")
        self.parts.append(part)
        return part.start()

    def start(self, workers: int = 1, **environment: str) -> "Stack":
        """Start one of each, and wait until work can be handed in and be done."""
        self.api = self.part("api")
        self.dispatcher = self.part("dispatcher")
        self.workers = [self.part("worker", **environment) for _ in range(workers)]
        eventually(lambda: self.client.get("/readyz").status_code == 200, "the API is ready")
        for worker in self.workers:
            self.wait_until_running(worker)
        return self

    def wait_until_running(self, worker: Part) -> None:
        eventually(lambda: worker.said("worker runs"), f"{worker.name} runs; see {worker.log}", 60)

    def stop(self) -> None:
        self.client.close()
        for part in reversed(self.parts):
            if part.process is not None and part.process.poll() is None:
                if part.name == "worker":
                    part.process.kill()  # its children end with it
                else:
                    part.process.terminate()
        for part in self.parts:
            if part.process is not None:
                try:
                    part.process.wait(15)
                except subprocess.TimeoutExpired:
                    part.kill()

    def submit(self, kind: str = "sleep", payload: dict[str, Any] | None = None, **options: Any) -> int:
        answer = self.client.post("/tasks", json={"name": kind, "kind": kind, "payload": payload or {}, **options})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def task(self, task_id: int, **query: Any) -> dict[str, Any]:
        answer = self.client.get(f"/tasks/{task_id}", params={"include": "attempts", **query})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, task_id: int, deadline_s: float = 40.0) -> dict[str, Any]:
        """Return the task when it has ended."""
        ends = time.monotonic() + deadline_s
        while (task := self.task(task_id, wait_s=5))["status"] not in FINAL:
            assert time.monotonic() < ends, f"not ended in {deadline_s} s: {task}"
        return task

    def wait_until(self, task_id: int, status: str, deadline_s: float = 30.0) -> dict[str, Any]:
        return eventually(
            lambda: (task := self.task(task_id))["status"] == status and task, f"task {task_id} is {status}", deadline_s
        )

    def wait_for_all(self, task_ids: list[int], deadline_s: float) -> None:
        """Return when all of `task_ids` have ended."""

        def ended() -> bool:
            queue = self.client.get("/queues/default").json()["tasks"]
            return sum(queue[status] for status in FINAL) >= len(task_ids)

        eventually(ended, "all tasks have ended", deadline_s, every_s=0.2)


@contextmanager
def stack(database_url: str, postgresql: PostgreSQL, rabbitmq: RabbitMQ, folder: Path) -> Iterator[Stack]:
    """Give a stack on empty queues; end its processes at the end, and print their logs."""
    for queue in ("tasks.default", "tasks.elsewhere", "dlq.tasks"):
        rabbitmq.delete_queue(queue)
    made = Stack(database_url, postgresql, rabbitmq, folder)
    try:
        yield made
    finally:
        made.stop()
        for part in made.parts:  # pytest shows it where the test failed
            print(f"--- {part.log}\n{part.log.read_text(errors='replace')[-4000:]}")  # noqa: T201


def kill_child(part: Part, number: int = signal.SIGKILL) -> None:
    """Kill the pool's child that runs something just now: the one that is not idle in a read."""
    part.children()[0].send_signal(number)


def settle(rabbitmq: RabbitMQ) -> None:
    """Stop RabbitMQ cleanly and start it, so that the queues just made survive a kill.

    RabbitMQ 3.10 can break a quorum queue for good when it is killed within seconds of making it.
    """
    rabbitmq.stop()
    rabbitmq.start()
