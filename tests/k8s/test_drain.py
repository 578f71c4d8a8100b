"""A node is drained while its worker runs a task: the task finishes."""

import time
import uuid

import pytest

from k8s.cluster import command
from waiting import eventually

NAP_S = 60


@pytest.fixture(scope="module")
def mark():
    """A label of these pods alone: `kubectl drain` selects in all namespaces."""
    return uuid.uuid4().hex[:12]


@pytest.fixture(scope="module")
def taskyard(release, mark):
    """A release with one worker."""
    pool = {"queues": ["default"], "min": 1, "max": 1, "concurrency": 2, "pods": {"labels": {"taskyard.dev/e2e": mark}}}
    release.install({"workers.pools.default": pool})
    return release


@pytest.fixture
def node(taskyard):
    """The node of the worker, which takes pods again whatever happens to the test."""
    [worker] = taskyard.cluster.pods(component="worker")
    yield worker.node
    command("kubectl", "uncordon", worker.node)


def test_a_drained_worker_finishes_what_it_runs(taskyard, node, mark, audit, report):
    [task] = taskyard.api.submit({"name": "through the drain", "kind": "sleep", "payload": {"seconds": NAP_S}})
    eventually(lambda: taskyard.api.status(task) == "running", "it runs", 60)
    began = time.monotonic()
    # One node has the servers too: only the worker is to go.
    command(
        "kubectl", "drain", node, f"--pod-selector=taskyard.dev/e2e={mark}",
        "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=300s", deadline_s=330,
    )  # fmt: skip
    drained_s = time.monotonic() - began
    found = taskyard.api.get(f"/tasks/{task}", include="attempts")
    report.add(
        "drain", task_s=NAP_S, drained_after_s=drained_s, status=found["status"], attempts=len(found["attempts"])
    )
    assert drained_s > NAP_S / 2, "the drain waited for the task"
    assert found["status"] == "succeeded"
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["succeeded"]


def test_after_it_there_is_a_worker_again(taskyard, audit):
    eventually(lambda: any(pod.ready for pod in taskyard.cluster.pods(component="worker")), "a worker", 180)
    ids = taskyard.api.submit({"name": "after the drain", "kind": "sleep"})
    assert not audit(ids, 120)["not_succeeded"]
