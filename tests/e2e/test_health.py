"""What the dispatcher and the worker answer at /livez and /readyz while something is wrong, and when it is right."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from e2e.stack import Part, Stack, free_port
from statements import factories as f
from waiting import eventually

pytestmark = pytest.mark.e2e

STALL_S = 1.5


class Probed:
    """A part, and the port that it answers on."""

    def __init__(self, taskyard: Stack, name: str, **environment: str) -> None:
        port = free_port()
        settings = {"TASKYARD_METRICS_PORT": str(port), "TASKYARD_STALL_S": str(STALL_S), **environment}
        self.part: Part = taskyard.part(name, **settings)
        self._url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self._url + path, timeout=5)

    def wait_until_ready(self) -> None:
        eventually(lambda: self.get("/readyz").status_code == 200, f"{self.part.name} is ready; see {self.part.log}")

    def wait_until_lacking(self, cause: str) -> None:
        eventually(
            lambda: (answer := self.get("/readyz")).status_code == 503 and cause in answer.json()["causes"],
            f"{self.part.name} is not ready: {cause}",
        )


def _always_lives(probed: list[Probed], for_s: float) -> None:
    """Look again and again for that long."""
    ends = time.monotonic() + for_s
    seen: set[int] = set()

    def over() -> bool:
        seen.update(one.get("/livez").status_code for one in probed)
        return time.monotonic() > ends

    eventually(over, "the time is over", 2 * for_s + 30)
    assert seen == {200}


def test_without_rabbitmq_parts_live_and_are_not_ready(taskyard, rabbitmq):
    rabbitmq.stop()
    try:
        parts = [Probed(taskyard, "dispatcher"), Probed(taskyard, "dispatcher"), Probed(taskyard, "worker")]
        for one in parts:
            eventually(lambda one=one: one.get("/livez").status_code == 200, "it answers from its start on")
            assert one.get("/readyz").status_code == 503
        _always_lives(parts, 2 * STALL_S)
    finally:
        rabbitmq.start()
    for one in parts:  # both dispatchers, though only one of them leads
        one.wait_until_ready()
    rabbitmq.stop()
    try:
        for one, cause in zip(parts, ["connected to RabbitMQ"] * 2 + ["consuming from RabbitMQ"], strict=True):
            one.wait_until_lacking(cause)
        _always_lives(parts, 2 * STALL_S)
    finally:
        rabbitmq.start()
    for one in parts:
        one.wait_until_ready()


def test_without_postgresql_parts_live(taskyard, postgresql):
    dispatcher, worker = parts = [Probed(taskyard, "dispatcher"), Probed(taskyard, "worker")]
    for one in parts:
        one.wait_until_ready()
    postgresql.stop()
    try:
        dispatcher.wait_until_lacking("connected to PostgreSQL")
        _always_lives(parts, 2 * STALL_S)
    finally:
        postgresql.start()
    for one in (dispatcher, worker):
        one.wait_until_ready()


@contextmanager
def _frozen(session, application: str) -> Iterator[None]:
    """Stop the server's processes of these connections, so that they neither answer nor end."""
    statement = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s"
    pids = [pid for (pid,) in eventually(lambda: f.rows(session, statement, application), "it is connected")]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_postgresql_that_hangs_restarts_nobody(taskyard, session):
    taskyard.start(workers=0)
    dispatcher, worker = parts = [Probed(taskyard, "dispatcher"), Probed(taskyard, "worker")]
    for one in parts:
        one.wait_until_ready()
    taskyard.dispatcher.stop()
    task_id = taskyard.submit(payload={"seconds": 60})
    taskyard.wait_until(task_id, "running")  # the supervisor now asks for its cancellation all the time
    with _frozen(session, "taskyard-dispatcher%"), _frozen(session, "taskyard-worker % supervisor"):
        dispatcher.wait_until_lacking("record")
        dispatcher.wait_until_lacking("buffer")
        worker.wait_until_lacking("supervisor")
        _always_lives(parts, 2 * STALL_S)
    for one in parts:
        one.wait_until_ready()


def test_a_worker_whose_supervisor_stands_still_does_not_live(taskyard, tmp_path):
    standstill = tmp_path / "standstill"
    taskyard.part("dispatcher")  # makes the queue that the worker waits for
    worker = Probed(taskyard, "worker", TASKYARD_HANDLERS="supervisor_that_stands_still", STANDSTILL=str(standstill))
    worker.wait_until_ready()
    assert worker.get("/livez").status_code == 200
    standstill.touch()
    eventually(
        lambda: (answer := worker.get("/livez")).status_code == 503 and answer.json()["causes"] == ["supervisor"],
        "it does not live",
    )
    standstill.unlink()
    eventually(lambda: worker.get("/livez").status_code == 200, "it lives again")


def test_a_worker_that_drains_lives_and_is_not_ready(taskyard):
    taskyard.start(workers=0)
    worker = Probed(taskyard, "worker")
    worker.wait_until_ready()
    task_id = taskyard.submit(payload={"seconds": 4})
    taskyard.wait_until(task_id, "running")
    worker.part.signal(signal.SIGTERM)
    worker.wait_until_lacking("not draining")
    assert worker.get("/livez").status_code == 200
    assert worker.part.process.wait(30) == 0
    assert taskyard.task(task_id)["status"] == "succeeded"


def test_parts_that_wait_for_the_tables_live_and_end_when_told(taskyard, session):
    f.run_sql(session, "UPDATE alembic_version SET version_num = '0000'")
    for name in ("dispatcher", "worker"):
        part = Probed(taskyard, name)
        eventually(lambda part=part: part.get("/livez").status_code == 200, "it lives")
        assert part.get("/readyz").json()["causes"] == ["started"]
        assert part.part.stop(10) == 128 + signal.SIGTERM
