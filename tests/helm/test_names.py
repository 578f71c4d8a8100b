"""Names are names that Kubernetes takes, however long the release's is, and no two releases share one."""

import itertools
import re

import pytest

from helm.rendering import PODS_IN, Rendering, identity, render
from helm.value_sets import each_set, rendering_of, values_of

LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LONGEST = "r" * 52 + "x"
# What Kubernetes appends: a ReplicaSet's and a pod's hash, a StatefulSet's revision (a label), a CronJob's minute.
ROOM = {"Deployment": 17, "StatefulSet": 11, "Job": 6, "CronJob": 11}
LONG_POOL = "p" * 30
EVERYTHING = {
    "monitoring": {each: {"enabled": True} for each in ("serviceMonitor", "podMonitor", "rules", "dashboards")},
    "ingress": {"enabled": True, "host": "tasks.example", "flowerHost": "flower.example"},
    "workers": {"pools": {LONG_POOL: {"queues": ["default"], "max": 2}, "a": {"queues": ["default"], "max": 2}}},
    "secrets": {"mode": "job"},
}


def faults(rendering: Rendering) -> list[str]:
    """Return the names and labels that some part of Kubernetes would refuse."""
    found = []
    for made in rendering.objects:
        name = made["metadata"]["name"]
        if not NAME.fullmatch(name) or len(name) + ROOM.get(made["kind"], 0) > 63:
            found.append(f"{identity(made)}: {len(name)} characters")
        found += [f"{identity(made)}: label {each!r}" for each in _label_values(made) if not LABEL.fullmatch(each)]
    for pod in rendering.pods:
        names = [container["name"] for container in pod.containers]
        names += [volume["name"] for volume in pod.spec.get("volumes", [])]
        names += [port["name"] for container in pod.containers for port in container.get("ports", [])]
        found += [f"{pod.owner}: {each}" for each in names if not NAME.fullmatch(each)]
        found += [f"{pod.owner}: label {each!r}" for each in pod.labels.values() if not LABEL.fullmatch(each)]
    return found


def _label_values(made) -> list[str]:
    selectors = [made.get("spec", {}).get(key, {}) for key in ("selector", "podSelector")] if "spec" in made else []
    values = list(made["metadata"].get("labels", {}).values())
    for selector in selectors:
        values += (selector.get("matchLabels", selector) if isinstance(selector, dict) else {}).values()
    return [value for value in values if isinstance(value, str)]


@each_set
def test_names_and_labels_are_valid(name) -> None:
    assert faults(rendering_of(name)) == []


@pytest.mark.parametrize("release", [LONGEST, "r" * 41 + "-" * 11 + "x", "x"])
def test_names_and_labels_are_valid_for_any_release(release) -> None:
    assert faults(render(EVERYTHING, release=release)) == []


@pytest.mark.parametrize("name", ["operators", "gateway", "three-brokers", "pools"])
def test_names_and_labels_are_valid_for_the_longest_release(name) -> None:
    assert faults(render(values_of(name), release=LONGEST)) == []


def names(rendering: Rendering) -> set[tuple[str, str]]:
    return {(made["kind"], made["metadata"]["name"]) for made in rendering.objects}


@pytest.mark.parametrize(
    "releases",
    [
        ("shop", "shop-worker", "shop-postgresql", "worker", "shop2"),
        (LONGEST, "r" * 53, "r" * 52, "r" * 38, "r" * 37, "r" * 36),
    ],
    ids=["alike", "long"],
)
def test_no_two_releases_share_a_name(releases) -> None:
    for one, other in itertools.combinations([names(render(EVERYTHING, release=each)) for each in releases], 2):
        assert one & other == set()


def test_no_two_releases_select_the_same_pods() -> None:
    one, other = render(EVERYTHING, release="shop"), render(EVERYTHING, release="shop2")
    for made in [*one.of_kind("Deployment", "StatefulSet"), *one.of_kind("Service")]:
        selector = made["spec"]["selector"]
        wanted = selector.get("matchLabels", selector).items()
        assert not [pod.owner for pod in other.pods if wanted <= pod.labels.items()]


def test_a_long_name_tells_what_it_belongs_to() -> None:
    """Cut from the end of the whole, and told apart by a hash, it still begins with the release's name."""
    for made in render(EVERYTHING, release=LONGEST).objects:
        assert made["metadata"]["name"].startswith("r" * 30)


def test_a_name_of_ones_own_takes_the_place_of_the_releases() -> None:
    made = render({"global": {"fullnameOverride": "tasks"}}, release="shop").objects
    assert {each["metadata"]["name"].split("-")[0] for each in made} == {"tasks"}


@each_set
def test_every_object_says_what_it_is(name) -> None:
    own = [made for made in rendering_of(name).objects if made["metadata"]["name"] != "shop-extra"]
    for made in own:
        labels = made["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "taskyard"
        assert labels["app.kubernetes.io/instance"] == "shop"
        assert labels["app.kubernetes.io/part-of"] == "taskyard"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert {"app.kubernetes.io/component", "app.kubernetes.io/version", "helm.sh/chart"} <= labels.keys()


@each_set
def test_a_pod_does_not_begin_anew_for_a_version_of_the_chart_alone(name) -> None:
    for pod in rendering_of(name).pods:
        if pod.owner.startswith("Pod/"):
            continue  # a hook of `helm test`, made anew each time
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & pod.labels.keys(), pod.owner


def test_labels_and_annotations_of_ones_own_are_everywhere() -> None:
    rendering = rendering_of("dressed")
    own = [made for made in rendering.objects if made["metadata"]["name"] != "shop-extra"]
    assert all({"team": "tasks", "cost-center": "42"}.items() <= made["metadata"]["labels"].items() for made in own)
    assert all("owner.example/contact" in made["metadata"]["annotations"] for made in own)
    assert all("owner.example/contact" in pod.metadata["annotations"] for pod in rendering.pods)


def test_kinds_that_make_pods_are_known() -> None:
    """`Rendering.pods` sees them all."""
    for made in rendering_of("operators").objects + rendering_of("preset-production").objects:
        assert "template" not in made.get("spec", {}) or made["kind"] in PODS_IN
