"""The life of a release, from an empty namespace to what is left when it is gone. In this order."""

import re
import time

from k8s.footprint import image_mib, memory_mib
from waiting import eventually

AT_MOST_S = 300
KEPT = re.compile(r"^\[(\w+)\] (\S+)", re.MULTILINE)
"""What Helm says when it uninstalls: [Secret] taskyard-rabbitmq."""
PHASE = re.compile(r"^Phase: +(\w+)$", re.MULTILINE)
"""What Helm says of each test."""


def test_an_install_from_nothing_is_ready_within_five_minutes(release, report):
    took_s = release.install()
    report.add("install", install_s=took_s)
    assert took_s <= AT_MOST_S
    serving = {"api", "dispatcher", "guard", "flower", "postgresql", "rabbitmq"}
    assert {pod.component for pod in release.cluster.pods() if pod.ready} >= serving


def test_helm_test_passes(release, report):
    began = time.monotonic()
    said = release.helm("test", release.name, "--timeout", "10m")
    report.add("install", helm_test_s=time.monotonic() - began)
    assert set(PHASE.findall(said)) == {"Succeeded"}, said


def test_no_pod_began_anew_on_the_way(release):
    restarts = {pod.name: pod.restarts for pod in release.cluster.pods() if pod.restarts}
    assert not restarts


def test_each_pod_at_idle_has_the_memory_that_it_asked_for(release, report, pytestconfig):
    # A worker comes for a task, and then is idle for as long as the cooldown.
    [task] = release.api.submit({"name": "have a worker come", "kind": "sleep"})
    eventually(lambda: release.api.status(task) == "succeeded", "a worker did it", 180)
    pods = {pod.name: pod for pod in release.cluster.pods() if pod.phase == "Running"}
    asked = {name: requested_mib(release, name) for name in pods}
    used = eventually(
        lambda: (seen := memory_mib(release.cluster)).keys() >= pods.keys() and seen,
        "memory of each pod",
        90,
        every_s=3,
    )
    report.add("memory at idle, MiB", **{name: used[name] for name in sorted(pods)})
    report.add("memory at idle, MiB", all_of_them=sum(used[name] for name in pods))
    report.add("images, MiB", **image_mib(pytestconfig.option.tag))
    for name, pod in pods.items():
        assert used[name] <= asked[name] * 1.5, f"{pod.component} asks for too little"


def requested_mib(release, pod: str) -> int:
    """Return the memory that the pod's containers ask for."""
    units = {"Mi": 1, "Gi": 1024}
    containers = release.cluster.get("pod", pod)["spec"]["containers"]
    asked = [container["resources"]["requests"]["memory"] for container in containers]
    return sum(int(amount[:-2]) * units[amount[-2:]] for amount in asked)


def test_an_uninstall_leaves_what_it_says_and_the_volumes(release, report):
    said = release.uninstall()
    kept = {f"{kind.lower()}/{name}" for kind, name in KEPT.findall(said)}
    assert kept, said
    assert all(name.startswith("secret/") for name in kept)

    def left() -> set[str]:
        return release.cluster.everything()

    volumes = {name for name in left() if name.startswith("persistentvolumeclaim/")}
    report.add("uninstall", kept=sorted(kept), volumes=sorted(volumes))
    # What goes with the StatefulSets' pods goes after Helm has ended.
    eventually(lambda: left() == kept | volumes, "only what was said is left", 60)


def test_a_second_install_finds_everything_again(release):
    release.install()
    task = eventually(lambda: release.api.get("/tasks/1"), "the API answers", 60)
    assert task["status"] == "succeeded"
    [new] = release.api.submit({"name": "after the second install", "kind": "sleep"})
    assert new > task["id"]
    eventually(lambda: release.api.status(new) == "succeeded", "it succeeds", 180)
