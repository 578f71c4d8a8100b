"""Taskyard under a real Prometheus: every part, both servers, and a handful of tasks of which one fails."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg2
import pytest
from sqlalchemy.engine import make_url

from e2e.stack import Part, Stack, free_port, stack
from monitoring.alerting import RULE_FILES
from monitoring.prometheus_server import Prometheus
from taskyard.local.ports import LOOPBACK
from taskyard.local.rabbitmq import RabbitMQ
from waiting import eventually


@pytest.fixture(scope="module")
def database(postgresql, template) -> Iterator[str]:
    """The URL of a database for all tests of a module."""
    name = f"monitoring_{uuid.uuid4().hex[:12]}"
    own = make_url(postgresql.url)
    connection = psycopg2.connect(
        host=own.host, port=own.port, user=own.username, password=own.password, dbname="postgres"
    )
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield own.set(database=name).render_as_string(hide_password=False)
    connection.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
    connection.close()


@pytest.fixture(scope="module")
def prometheus(database, postgresql, rabbitmq, tmp_path_factory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes a run of everything, in which all that can be counted has happened."""
    folder = tmp_path_factory.mktemp("monitoring")
    with stack(database, postgresql, rabbitmq, folder) as taskyard:
        jobs = [
            _job("api", taskyard.part("api", **_metrics())),
            _job("dispatcher", taskyard.part("dispatcher", **_metrics(), TASKYARD_CANARY_S="1")),
            _job("worker", taskyard.part("worker", **_metrics())),
            *_rabbitmq_jobs(show_metrics(rabbitmq)),
        ]
        server = Prometheus(folder, jobs, RULE_FILES)
        eventually(lambda: taskyard.client.get("/readyz").status_code == httpx.codes.OK, "the API is ready")
        taskyard.wait_until_running(taskyard.parts[-1])
        server.start()
        try:
            # Twice: a counter that is seen for the first time says nothing of a rate.
            use(taskyard, folder / "trace")
            eventually(
                lambda: server.query('taskyard_http_requests_total{route="/tasks/{task_id}/cancel"}'), "a scrape"
            )
            use(taskyard, folder / "trace")
            yield server
        finally:
            server.stop()


def _metrics() -> dict[str, str]:
    return {"TASKYARD_METRICS_PORT": str(free_port())}


def _job(component: str, part: Part) -> dict[str, object]:
    target = f"{LOOPBACK}:{part.environment['TASKYARD_METRICS_PORT']}"
    return {"job_name": f"taskyard-{component}", "static_configs": [{"targets": [target]}]}


def _rabbitmq_jobs(port: int) -> list[dict[str, object]]:
    targets = {"static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}]}
    families = {"family": ["queue_coarse_metrics", "queue_consumer_count"]}
    detailed = {"job_name": "taskyard-rabbitmq-queues", "metrics_path": "/metrics/detailed", "params": families}
    return [{"job_name": "taskyard-rabbitmq", **targets}, {**detailed, **targets}]


def show_metrics(rabbitmq: RabbitMQ) -> int:
    """Have a running node show its metrics, until it is started again; return the port."""
    port = free_port()
    listener = f'[{{port, {port}}}, {{ip, "{LOOPBACK}"}}]'
    rabbitmq.ctl("eval", f"application:set_env(rabbitmq_prometheus, tcp_config, {listener}).")
    plugins = Path(rabbitmq.log).parent.parent / "enabled_plugins"
    plugins.write_text("[rabbitmq_management, rabbitmq_prometheus].\n")
    rabbitmq.ctl("eval", f'rabbit_plugins:ensure("{plugins}").')
    eventually(
        lambda: httpx.get(f"http://{LOOPBACK}:{port}/metrics").status_code == httpx.codes.OK, "RabbitMQ's metrics"
    )
    return port


def use(taskyard: Stack, trace: Path) -> None:
    """Do a little of everything: tasks that succeed, retry, fail, and are cancelled; requests that are refused."""
    traced = {"file": str(trace)}
    done = [
        taskyard.submit("data.process", {"csv": "a,b\n1,2\n"}),
        taskyard.submit("test.traced", traced),
        taskyard.submit("test.flaky", {"good": 2}),
        taskyard.submit("test.discard"),
        taskyard.submit("http.request", {"url": "http://127.0.0.1:1/"}, max_attempts=1),
    ]
    assert [taskyard.wait(task_id)["status"] for task_id in done] == ["succeeded"] * 3 + ["failed"] * 2
    waiting = taskyard.submit("sleep", {"seconds": 1}, delay_s=3600)
    calls = taskyard.client
    assert calls.post(f"/tasks/{waiting}/cancel").is_success
    assert calls.patch("/queues/default", json={"paused": True}).is_success
    assert calls.patch("/queues/default", json={"paused": False}).is_success
    assert calls.post("/tasks", json={"name": ""}).status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert calls.get("/tasks/999999").status_code == httpx.codes.NOT_FOUND
    assert calls.get("/tasks").is_success
