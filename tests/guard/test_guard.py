"""The guard between a real PostgreSQL and a server that answers like a cluster's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import certifi
import httpx
import pytest
from prometheus_client import CollectorRegistry

from e2e.stack import free_port
from statements import factories as f
from taskyard.health import Health
from taskyard_kubernetes.api_server import ApiServer, ClusterError, RefusedError
from taskyard_kubernetes.costs import FALL_AFTER_S
from taskyard_kubernetes.guard import Guard
from taskyard_kubernetes.metrics import GuardMetrics
from taskyard_kubernetes.settings import GuardSettings
from waiting import eventually


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def guard(server, session, database_url, registry):
    """A guard that does a round when it is told to."""
    settings = GuardSettings(DATABASE_URL=database_url)
    pulse = Health(30).pulse("guard")
    return Guard(settings, "shop", session, server, GuardMetrics(registry), pulse)


def _running(session, worker: str, age_s: float = 0.0) -> int:
    """Have a task that the worker has run for so long; return its id."""
    [task_id] = f.insert(session)
    f.claim(session, task_id, worker=worker)
    f.run_sql(session, "UPDATE tasks SET started_at = now() - make_interval(secs => %s) WHERE id = %s", age_s, task_id)
    return task_id


def test_the_busy_are_annotated_and_the_idle_are_left_alone(guard, cluster, session, registry):
    for name in ("idle", "busy", "long"):
        cluster.pod(name)
    cluster.pod("ends", deletionTimestamp="2026-01-01T00:00:00Z")
    cluster.put("pods", "stranger", {"labels": {"app": "other"}, "annotations": {}})
    _running(session, "busy")
    _running(session, "long")
    _running(session, "long", 400)
    _running(session, "ends")
    _running(session, "stranger")
    guard.round(0)
    costs = {name: cluster.cost(name) for name in ("idle", "busy", "long", "ends", "stranger")}
    assert costs == {"idle": None, "busy": "10", "long": "12", "ends": None, "stranger": None}
    guard.round(2)
    assert dict(cluster.patched) == {"busy": 1, "long": 1}
    assert registry.get_sample_value("taskyard_guard_busy_pods") == 2
    assert registry.get_sample_value("taskyard_guard_patches_total", {"result": "done"}) == 2
    assert registry.get_sample_value("taskyard_guard_last_round_timestamp_seconds") > 1e9


def test_a_pool_without_a_worker_is_nothing_to_do(guard, registry):
    guard.round(0)
    assert registry.get_sample_value("taskyard_guard_busy_pods") == 0
    assert registry.get_sample_value("taskyard_guard_last_round_timestamp_seconds") > 1e9


def test_who_is_done_costs_nothing_after_a_while(guard, cluster, session):
    cluster.pod("busy")
    task_id = _running(session, "busy")
    guard.round(0)
    f.run_sql(session, "DELETE FROM tasks WHERE id = %s", task_id)
    guard.round(1)
    guard.round(FALL_AFTER_S)
    assert cluster.cost("busy") == "10"
    guard.round(1 + FALL_AFTER_S)
    assert cluster.cost("busy") == "0"


def test_a_pod_that_goes_or_refuses_keeps_none_from_its_cost(guard, cluster, session, registry):
    for name in ("a", "b", "c"):
        cluster.pod(name)
        _running(session, name)
    cluster.refuse_patches_of = {"a"}
    cluster.before_write = lambda kind, name: cluster.objects.pop((kind, "b"), None)
    with pytest.raises(RefusedError, match="a is not to be changed"):
        guard.round(0)
    assert cluster.cost("c") == "10"
    results = ("done", "gone", "refused")
    counted = [registry.get_sample_value("taskyard_guard_patches_total", {"result": result}) for result in results]
    assert counted == [1, 1, 1]


def test_the_token_is_read_for_each_call(cluster, tmp_path):
    """Kubernetes replaces it within the hour."""
    (tmp_path / "token").write_text("first\n")
    shutil.copy(certifi.where(), tmp_path / "ca.crt")
    server = ApiServer(cluster.url, tmp_path)
    assert server.worker_pods("shop", "taskyard.dev/pool") == []
    cluster.token = "second"
    with pytest.raises(RefusedError, match="401 Unauthorized"):
        server.worker_pods("shop", "taskyard.dev/pool")
    (tmp_path / "token").write_text("second\n")
    assert server.worker_pods("shop", "taskyard.dev/pool") == []
    (tmp_path / "token").unlink()
    with pytest.raises(ClusterError, match="token"):
        server.worker_pods("shop", "taskyard.dev/pool")
    server.close()


def test_the_guard_as_a_process_outlives_both_its_servers(cluster, session, database_url, postgresql, tmp_path):
    cluster.pod("busy")
    _running(session, "busy")
    session.close()
    port = free_port()
    environment = {
        "DATABASE_URL": database_url,
        "TASKYARD_KUBERNETES_URL": cluster.url,
        "TASKYARD_GUARD_NAMESPACE": "shop",
        "TASKYARD_GUARD_POLL_S": "0.1",
        "TASKYARD_METRICS_PORT": str(port),
    }
    log = tmp_path / "guard.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "taskyard-kubernetes", "guard"],
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )
    try:

        def answers(path: str) -> int:
            return httpx.get(f"http://127.0.0.1:{port}{path}").status_code

        eventually(lambda: cluster.cost("busy") == "10", f"the cost is set; see {log}")
        eventually(lambda: answers("/readyz") == 200, "it is ready")
        cluster.failing = 10_000
        eventually(lambda: answers("/readyz") == 503, "it says that the cluster refuses")
        assert answers("/livez") == 200
        cluster.failing = 0
        eventually(lambda: answers("/readyz") == 200, "it is ready again")
        postgresql.stop()
        eventually(lambda: answers("/readyz") == 503, "it says that PostgreSQL is away")
        assert answers("/livez") == 200
        postgresql.start()
        eventually(lambda: answers("/readyz") == 200, "it is ready again")
        process.terminate()
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait(10)


def test_outside_a_cluster_it_says_what_is_missing(database_url):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")}
    ran = subprocess.run(
        [Path(sys.executable).parent / "taskyard-kubernetes", "guard"],
        env={**environment, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, "set TASKYARD_KUBERNETES_URL" in ran.stderr) == (1, True)
