"""Workers follow the queue, from zero and back, and no task pays for it. In this order."""

import json
import random
import time

import pytest

from k8s.timeline import Timeline
from waiting import eventually

MOST = 4
SLOTS = 4
COOLDOWN_S = 60

VALUES = {
    "workers.pools.default": {
        "queues": ["default"], "min": 0, "max": MOST, "concurrency": SLOTS, "maxTaskSeconds": 60,
        "resources": {"requests": {"cpu": "25m", "memory": "256Mi"}},
    },
    "autoscaling.keda.pollingSeconds": 5,
    "autoscaling.keda.cooldownSeconds": COOLDOWN_S,
    # As fast as it may: each scale-in that the default would put off happens while tasks run.
    "autoscaling.behavior.scaleDown": {
        "stabilizationWindowSeconds": 10, "selectPolicy": "Max",
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def taskyard(release):
    """A release whose only pool has no worker."""
    release.install(VALUES)
    eventually(lambda: not release.cluster.pods(component="worker"), "no worker without work", 180, every_s=1)
    return release


def workers(release):
    """Return the pods of the pool that are not told to end."""
    return [pod for pod in release.cluster.pods(component="worker", pool="default") if not pod.leaving]


def scale(release, least: int, most: int) -> None:
    """Set the bounds of the pool."""
    bounds = json.dumps({"spec": {"minReplicaCount": least, "maxReplicaCount": most}})
    name = f"{release.name}-worker-default"
    release.cluster.kubectl("patch", "scaledobject", name, "--type", "merge", "--patch", bounds)


def on_leaving_pods(release) -> list[int]:
    """Return the tasks that run on pods that are told to end."""
    leaving = {pod.name for pod in release.cluster.pods(component="worker") if pod.leaving}
    return [task["id"] for task in release.api.running() if task["worker"] in leaving]


def test_from_zero_to_all_and_back_every_task_succeeds_once(taskyard, audit, report, pytestconfig):
    dice = random.Random(4)
    naps = [dice.randint(2, 20) for _ in range(pytestconfig.option.tasks - 1)]
    with Timeline(taskyard) as timeline:
        began = time.monotonic()
        ids = taskyard.api.submit({"name": "first", "kind": "sleep", "payload": {"seconds": 2}})
        ids += taskyard.api.submit(
            *({"name": f"{nap} s", "kind": "sleep", "payload": {"seconds": nap}} for nap in naps)
        )
        eventually(lambda: any(pod.ready for pod in workers(taskyard)), "a first worker", 180, every_s=0.5)
        report.add("0 to N to 0", tasks=len(ids), first_worker_ready_s=time.monotonic() - began)

        eventually(lambda: sum(pod.ready for pod in workers(taskyard)) == MOST, f"{MOST} workers", 240, every_s=1)
        eventually(lambda: len(taskyard.api.running()) == MOST * SLOTS, "all slots are busy", 60)
        report.add("0 to N to 0", all_workers_busy_s=time.monotonic() - began)

        scale(taskyard, 0, 1)
        caught = eventually(lambda: on_leaving_pods(taskyard), "workers told to end while they run tasks", 90)
        scale(taskyard, 0, MOST)

        result = audit(ids, 1200)
        finished = time.monotonic()
        report.add("0 to N to 0", running_on_pods_told_to_end=len(caught), all_finished_s=finished - began)
        eventually(lambda: not workers(taskyard), "no worker after the cooldown", COOLDOWN_S + 180, every_s=1)
        report.add("0 to N to 0", back_at_zero_after_s=time.monotonic() - finished)

    first = taskyard.api.get(f"/tasks/{ids[0]}", include="attempts")
    report.add("0 to N to 0", first_task_submitted=first["created_at"], first_task_began=first["started_at"])
    report.add("0 to N to 0", workers_over_time=timeline.steps(), most_workers=max(m.pods for m in timeline.moments))
    assert len(caught) > 0
    assert not result["missing"]
    assert not result["not_succeeded"]
    assert not result["unfinished"]
    assert not result["lost_attempts"]
    assert result["attempts"] == len(ids)


@pytest.mark.parametrize("turn", [1, 2])
def test_a_scale_in_takes_the_idle_pods_first(taskyard, audit, turn):
    """With four equal pods the busy one would stay by chance in one of four cases, twice in one of sixteen."""
    scale(taskyard, MOST, MOST)
    eventually(lambda: sum(pod.ready for pod in workers(taskyard)) == MOST, f"{MOST} workers", 240, every_s=1)
    [busy] = taskyard.api.submit({"name": f"busy {turn}", "kind": "sleep", "payload": {"seconds": 50}})
    [task] = eventually(taskyard.api.running, "it runs", 60)
    eventually(
        lambda: [pod.name for pod in workers(taskyard) if pod.deletion_cost > 0] == [task["worker"]],
        "the busy pod alone is dear",
        30,
    )
    # Not to 0: RabbitMQ counts every 5 s, and KEDA takes a pool that has long been idle to zero without waiting.
    scale(taskyard, 1, 1)
    left = eventually(lambda: len(found := workers(taskyard)) == 1 and found, "one worker is left", 60, every_s=0.5)
    assert [pod.name for pod in left] == [task["worker"]]
    result = audit([busy], 120)
    assert not result["lost_attempts"]
    assert not result["not_succeeded"]
