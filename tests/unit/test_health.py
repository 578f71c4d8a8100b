"""What a process answers at /livez and /readyz, and when."""

import os
import threading

import httpx
import psutil
import pytest
from prometheus_client import CollectorRegistry, Gauge

from e2e.stack import free_port
from taskyard.health import Health
from taskyard.serving import serve
from taskyard.settings import ProcessSettings


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def health(clock):
    return Health(30, clock)


@pytest.fixture
def client(health):
    """A client of a real server that shows `health`."""
    collectors = CollectorRegistry()
    Gauge("shown", "A metric.", registry=collectors).set(7)
    server = serve(ProcessSettings(metrics_port=free_port()), collectors, health)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}") as made:
        yield made
    server.shutdown()
    server.server_close()


def test_a_loop_that_does_not_turn_is_stalled_until_it_turns_again(health, clock):
    pulse = health.pulse("record")
    pulse.beat()
    clock.now_s += 30
    assert health.stalled() == []
    clock.now_s += 0.1
    assert health.stalled() == ["record"]
    pulse.beat()
    assert health.stalled() == []


def test_a_loop_counts_from_its_first_turn_and_with_its_pause(health, clock):
    pulse = health.pulse("dispatch", pause_s=10)
    clock.now_s += 1000
    assert health.stalled() == []
    pulse.beat()
    clock.now_s += 40
    assert health.stalled() == []
    clock.now_s += 0.1
    assert health.stalled() == ["dispatch"]


def test_waiting_for_a_server_is_no_standstill_but_not_ready_either(health, clock):
    health.ready_when({"connected": lambda: True})
    pulse = health.pulse("buffer")
    pulse.beat()
    with pulse.outside():
        with pulse.outside():
            clock.now_s += 3600
        clock.now_s += 3600
        assert (health.stalled(), health.lacking()) == ([], ["buffer"])
    assert (health.stalled(), health.lacking()) == ([], [])
    clock.now_s += 31
    assert health.stalled() == ["buffer"]


def test_a_process_that_starts_lives_and_is_not_ready(health, client):
    assert client.get("/livez").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready", "causes": ["started"]})


def test_the_answers_name_what_is_wrong(health, client, clock):
    connected = threading.Event()
    health.ready_when({"connected to RabbitMQ": connected.is_set, "not draining": lambda: True})
    pulse = health.pulse("record")
    pulse.beat()
    assert client.get("/readyz").json() == {"status": "not ready", "causes": ["connected to RabbitMQ"]}
    connected.set()
    assert client.get("/readyz").status_code == 200
    clock.now_s += 31
    assert client.get("/livez").json() == {"status": "stalled", "causes": ["record"]}
    assert [client.get(path).status_code for path in ("/livez", "/readyz", "/metrics", "/")] == [503, 503, 200, 404]


def test_metrics_are_shown_beside_it(client):
    assert "shown 7.0" in client.get("/metrics").text


def test_a_forked_child_does_not_keep_the_port(client):
    """Else a child that outlives its parent would keep the parent's successor from the port."""
    port = client.base_url.port
    assert _listens(port)
    child = os.fork()
    if child == 0:
        os._exit(int(_listens(port)))
    assert os.waitpid(child, 0)[1] == 0
    assert client.get("/livez").status_code == 200


def _listens(port: int) -> bool:
    """Whether this process has a socket that listens on the port."""
    sockets = psutil.Process().net_connections("tcp")
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets)
