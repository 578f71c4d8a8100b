"""Pods of every kind are killed at random for minutes: no task that was answered with 201 is lost or done twice."""

import random
import threading
import time
from collections import Counter

import pytest

from k8s.cluster import CommandError
from waiting import eventually

KINDS = ("api", "dispatcher", "worker", "guard", "flower", "postgresql", "rabbitmq")
PAUSE_S = (4.0, 12.0)
VALUES = {
    "api.replicas": 2,
    "dispatcher.replicas": 2,
    "workers.pools.default": {"queues": ["default"], "min": 2, "max": 3, "concurrency": 4, "maxTaskSeconds": 60},
}


@pytest.fixture(scope="module")
def taskyard(release):
    """A release with two pods of all that can have two."""
    release.install(VALUES)
    return release


def kill_one(taskyard, kind: str, dice: random.Random) -> str | None:
    """Kill a pod of this kind; returns which, or None where there is none.

    It gets one second instead of its time: the kubelet's SIGKILL ends what runs. `--force` would have two servers on
    one volume, for Kubernetes then starts the new one without waiting for the end of the old.
    """
    pods = sorted(pod.name for pod in taskyard.cluster.pods(component=kind) if not pod.leaving)
    if not pods:
        return None
    name = dice.choice(pods)
    taskyard.cluster.kubectl("delete", "pod", name, "--grace-period=1", "--wait=false")
    return name


def kill(taskyard, minutes: float, seed: int) -> Counter[str]:
    """Kill pods until the time is over, each kind as often as the others, in an order that follows from the seed."""
    dice = random.Random(seed)
    killed: Counter[str] = Counter()
    ends = time.monotonic() + minutes * 60
    pause = threading.Event()  # nobody sets it: the pauses are part of what is proved
    bag: list[str] = []
    while time.monotonic() < ends:
        if not bag:
            bag = dice.sample(KINDS, len(KINDS))
        kind = bag.pop()
        try:
            if name := kill_one(taskyard, kind, dice):
                killed[kind] += 1
                print(f"killed {name}")  # noqa: T201 - told where the test fails
        except CommandError as error:
            print(error)  # noqa: T201 - told where the test fails
        pause.wait(dice.uniform(*PAUSE_S))
    return killed


def test_no_task_is_lost_and_none_completes_twice(taskyard, program, audit, report, pytestconfig):
    option = pytestconfig.option
    seed = option.kill_seed if option.kill_seed is not None else random.SystemRandom().randrange(1_000_000)
    print(f"--kill-seed {seed}")  # noqa: T201 - the run can be had again by it
    submitters = program("submitters", taskyard.api.inside_url, seed)
    killed = kill(taskyard, option.kill_minutes, seed)

    began = time.monotonic()
    eventually(
        lambda: all(pod.ready for pod in taskyard.cluster.pods() if pod.phase == "Running" and not pod.leaving)
        and taskyard.api.get("/readyz"),
        "all is ready again", 300, every_s=2,
    )  # fmt: skip
    back_s = time.monotonic() - began
    submitters.stop()
    sent = submitters.result(300)
    result = audit(sent["ids"], 600)

    report.add("kills", seed=seed, minutes=option.kill_minutes, killed=sum(killed.values()), **killed)
    report.add("kills", ready_again_after_s=back_s, tasks=len(sent["ids"]), failed_tries=sent["failed_tries"])
    report.add("kills", answers=sent["answers"], attempts=result["attempts"])
    report.add("kills", lost_attempts=len(result["lost_attempts"]), lost_tasks=len(result["missing"]))
    report.add("kills", completed_twice=len(result["completed_twice"]))
    assert set(killed) == set(KINDS) or option.kill_minutes < 2
    assert len(sent["ids"]) > 50 * option.kill_minutes
    assert not result["missing"]
    assert not result["completed_twice"]
    assert not result["unfinished"]
    assert not result["not_succeeded"]
