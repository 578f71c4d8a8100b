"""A new version and new settings come and go under load, and nobody notices."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from k8s.release import image
from waiting import eventually

LONG_TASKS = 5
LONG_S = 120
REQUESTS_PER_S = 25
VALUES = {
    "api.replicas": 2,
    "dispatcher.replicas": 2,
    "workers.pools.default": {"queues": ["default"], "min": 2, "max": 2, "concurrency": 4},
}


@pytest.fixture(scope="module")
def taskyard(release):
    """A release with two pods of all that can have two."""
    release.install(VALUES)
    return release


def parts(taskyard):
    """Return the pods of Taskyard itself that are not told to end, with their images."""
    found = taskyard.cluster.get("pods", "--selector", "app.kubernetes.io/name=taskyard")["items"]
    return {
        pod["metadata"]["name"]: {container["image"] for container in pod["spec"]["containers"]}
        for pod in found
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] in {"api", "dispatcher", "worker"}
        and "deletionTimestamp" not in pod["metadata"]
    }


def on_leaving_pods(taskyard, ids):
    """Return which of these tasks run on pods that are told to end."""
    leaving = {pod.name for pod in taskyard.cluster.pods(component="worker") if pod.leaving}
    return [task["id"] for task in taskyard.api.running() if task["worker"] in leaving and task["id"] in ids]


@pytest.mark.parametrize("change", ["upgrade", "rollback"])
def test_under_load_no_request_fails_and_no_task_is_killed(taskyard, change, program, audit, report, pytestconfig):
    option = pytestconfig.option
    before = parts(taskyard)
    nap = {"name": f"through the {change}", "kind": "sleep", "payload": {"seconds": LONG_S}}
    long = taskyard.api.submit(*[nap] * LONG_TASKS)
    eventually(lambda: len(taskyard.api.running()) == LONG_TASKS, "the long tasks run", 120)
    traffic = program("traffic", taskyard.api.inside_url, option.requests, REQUESTS_PER_S)

    with ThreadPoolExecutor(1) as thread:
        if change == "upgrade":
            done = thread.submit(taskyard.upgrade, VALUES | {"config.TASKYARD_LOG_LEVEL": "debug"}, option.next_tag)
        else:
            done = thread.submit(taskyard.roll_back)
        caught = eventually(
            lambda: done.done() or on_leaving_pods(taskyard, long), "workers told to end", 900, every_s=1
        )
        took_s = done.result()

    traffic.stop()
    sent = traffic.result(option.requests / REQUESTS_PER_S + 600)
    result = audit(sent["ids"] + long, LONG_S + 600)
    figures = {name: sent[name] for name in ("requests", "p50_ms", "p99_ms", "longest_ms", "slowest", "failures")}
    report.add(change, took_s=took_s, failed_requests=len(sent["failures"]), tasks=result["tasks"], **figures)
    report.add(change, long_tasks_on_pods_told_to_end=len(caught), lost_attempts=len(result["lost_attempts"]))

    tag = option.next_tag if change == "upgrade" else option.tag
    after = parts(taskyard)
    assert not before.keys() & after.keys(), "every pod is another"
    assert {name.rpartition(":")[2] for names in after.values() for name in names} == {tag}, image("*", tag)
    assert len(caught) > 0
    assert sent["requests"] >= option.requests
    assert not sent["failures"]
    assert not result["missing"]
    assert not result["not_succeeded"]
    assert not result["lost_attempts"]
