"""An API that is told to stop, behind a load balancer: it serves on, sends clients elsewhere, and cuts nobody off."""

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from e2e.stack import free_port
from waiting import eventually

pytestmark = pytest.mark.e2e

DRAIN_S = 3


@pytest.fixture
def metrics_port() -> int:
    return free_port()


@pytest.fixture
def api(taskyard, metrics_port):
    """An API of its own, that drains."""
    part = taskyard.part("api", TASKYARD_API_DRAIN_S=str(DRAIN_S), TASKYARD_METRICS_PORT=str(metrics_port))
    eventually(lambda: taskyard.client.get("/readyz").status_code == 200, "the API is ready")
    return part


def test_it_serves_on_and_each_answer_has_the_client_connect_elsewhere(taskyard, api):
    with httpx.Client(base_url=taskyard.client.base_url) as client:
        assert "connection" not in client.get("/livez").headers
        api.signal(signal.SIGTERM)
        told = time.monotonic()
        answers = []
        while time.monotonic() < told + DRAIN_S + 1:  # a load balancer that hears of it very late
            answers.append(client.get("/kinds"))
    assert {answer.status_code for answer in answers} == {200}
    closing = [answer.headers.get("connection") == "close" for answer in answers]
    assert all(closing[closing.index(True) :])
    assert api.process.wait(DRAIN_S + 20) == 0
    assert time.monotonic() - told >= DRAIN_S


def test_requests_without_end_do_not_keep_it(taskyard, api):
    api.signal(signal.SIGTERM)
    told = time.monotonic()

    def ask() -> bool:
        assert httpx.get(f"{taskyard.client.base_url}/kinds").status_code == 200
        return False

    with pytest.raises(AssertionError, match="ConnectError"):
        eventually(ask, "an end", 3 * DRAIN_S + 2, every_s=0.2)
    assert time.monotonic() - told >= 3 * DRAIN_S


def test_a_request_that_comes_just_after_it_stopped_listening_is_answered(taskyard, api):
    """On a connection made before; such a one is made at the last moment where a load balancer hears late."""
    address = ("127.0.0.1", taskyard.port)
    api.signal(signal.SIGTERM)
    with socket.create_connection(address, timeout=10) as connected:

        def is_deaf() -> bool:
            try:
                socket.create_connection(address, timeout=1).close()
            except ConnectionRefusedError:
                return True
            return False

        eventually(is_deaf, "an end of listening", 3 * DRAIN_S + 10, every_s=0.05)
        connected.sendall(b"GET /kinds HTTP/1.1\r\nHost: taskyard\r\n\r\n")
        assert connected.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_a_long_poll_is_answered_when_it_leaves_and_not_before(taskyard, api, metrics_port):
    task = taskyard.client.post("/tasks", json={"name": "waits", "delay_s": 600}).json()
    with ThreadPoolExecutor(1) as thread:
        poll = thread.submit(httpx.get, f"{taskyard.client.base_url}/tasks/{task['id']}?wait_s=60", timeout=60)
        metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        eventually(lambda: "taskyard_long_polls 1.0" in httpx.get(metrics).text, "it waits")
        api.signal(signal.SIGTERM)
        told = time.monotonic()
        assert poll.result(30).json()["status"] == "scheduled"
    assert DRAIN_S - 1 < time.monotonic() - told < DRAIN_S + 10


def test_a_second_signal_ends_it_without_delay(taskyard, api):
    api.signal(signal.SIGTERM)
    eventually(lambda: taskyard.client.get("/livez").headers.get("connection") == "close", "it is about to leave")
    told = time.monotonic()
    api.signal(signal.SIGTERM)
    assert api.stop(10) == 0
    assert time.monotonic() - told < DRAIN_S
