"""Pools follow their queues: what KEDA asks, what it adds up, and when it takes workers away."""

import re

import pytest

from helm.rendering import RefusedError, render
from helm.value_sets import each_set, rendering_of

QUEUES = {"queues": [{"name": name} for name in ("default", "mail", "documents")]}


def scaled(values: dict) -> dict:
    """Return the spec of the ScaledObject of a chart with one pool."""
    [made] = render(values).of_kind("ScaledObject")
    return made["spec"]


@each_set
def test_keda_counts_what_waits_and_what_runs_a_slot_each(name) -> None:
    """By HTTP, since only so it sees what is unacknowledged, and with a user of its own."""
    rendering = rendering_of(name)
    for made in rendering.of_kind("ScaledObject"):
        pod = rendering.get("Deployment", made["spec"]["scaleTargetRef"]["name"])["spec"]["template"]["spec"]
        env = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
        served = env["TASKYARD_QUEUES"].split(",")
        triggers = made["spec"]["triggers"]
        assert [trigger["metadata"]["queueName"] for trigger in triggers] == [f"tasks.{queue}" for queue in served]
        for trigger in triggers:
            metadata = trigger["metadata"]
            assert trigger["type"] == "rabbitmq"
            assert metadata["protocol"] == "http"
            assert metadata["mode"] == "QueueLength"
            assert metadata["value"] == env["TASKYARD_CONCURRENCY"]
            assert metadata["excludeUnacknowledged"] == "false"
            assert not {"username", "password"} & metadata.keys(), "anybody may read a ScaledObject"
            assert "@" not in metadata.get("host", "")


@each_set
def test_a_broker_that_cannot_be_asked_takes_no_worker_away(name) -> None:
    for made in rendering_of(name).of_kind("ScaledObject"):
        fallback = made["spec"]["fallback"]
        assert fallback["behavior"] == "currentReplicasIfHigher"
        assert fallback["replicas"] == max(made["spec"]["minReplicaCount"], 1)
        assert fallback["failureThreshold"] >= 1


def test_several_queues_of_a_pool_are_added_up() -> None:
    """Of several triggers alone, the largest would count."""
    spec = scaled(
        {"global": QUEUES, "workers": {"pools": {"default": {"queues": ["default", "mail"], "concurrency": 3}}}}
    )
    modifiers = spec["advanced"]["scalingModifiers"]
    names = [trigger["name"] for trigger in spec["triggers"]]
    assert re.sub(r"\s", "", modifiers["formula"]) == "+".join(names)
    assert modifiers["target"] == "3"
    assert modifiers["metricType"] == "AverageValue"
    assert all(re.fullmatch(r"[A-Za-z]\w*", name) for name in names), "names are variables of the formula"


def test_one_queue_needs_no_formula() -> None:
    assert "scalingModifiers" not in scaled({}).get("advanced", {})


def test_scale_in_is_slow_and_scale_out_is_not() -> None:
    behavior = scaled({})["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300
    assert behavior["scaleDown"]["selectPolicy"] == "Min"


@pytest.mark.parametrize(("mode", "kind"), [("keda", "ScaledObject"), ("hpa", "HorizontalPodAutoscaler")])
def test_bounds_are_those_of_the_pool(mode, kind) -> None:
    values = {"autoscaling": {"mode": mode}, "workers": {"pools": {"default": {"min": 2, "max": 7}}}}
    [made] = render(values).of_kind(kind)
    lowest, highest = ("minReplicaCount", "maxReplicaCount") if mode == "keda" else ("minReplicas", "maxReplicas")
    assert (made["spec"][lowest], made["spec"][highest]) == (2, 7)


def test_without_autoscaling_the_replicas_are_those_of_the_pool() -> None:
    rendering = render({"autoscaling": {"mode": "none"}, "workers": {"pools": {"default": {"replicas": 5}}}})
    assert not rendering.of_kind("ScaledObject", "HorizontalPodAutoscaler", "TriggerAuthentication")
    assert rendering.component("Deployment", "worker")["spec"]["replicas"] == 5


def test_an_hpa_of_the_api_is_apart_from_the_mode_of_the_workers() -> None:
    rendering = render({"api": {"autoscaling": {"enabled": True, "min": 3, "max": 5}}})
    [made] = rendering.of_kind("HorizontalPodAutoscaler")
    assert made["spec"]["scaleTargetRef"]["name"] == "shop-api"
    assert (made["spec"]["minReplicas"], made["spec"]["maxReplicas"]) == (3, 5)


def test_keda_logs_in_as_a_user_that_may_only_look() -> None:
    rendering = render({})
    [authentication] = rendering.of_kind("TriggerAuthentication")
    spec = authentication["spec"]
    found = {each["parameter"]: each for each in spec["secretTargetRef"] + spec["configMapTargetRef"]}
    assert found.keys() == {"username", "password"}
    assert found["password"]["key"] == "keda-password"
    assert rendering.get("ConfigMap", found["username"]["name"])["data"][found["username"]["key"]] == "keda"


def test_keda_asks_an_external_broker_where_the_secret_says() -> None:
    rendering = rendering_of("external")
    [authentication] = rendering.of_kind("TriggerAuthentication")
    assert {"parameter": "host", "name": "our-broker", "key": "http"} in authentication["spec"]["secretTargetRef"]
    for made in rendering.of_kind("ScaledObject"):
        assert [trigger["metadata"]["vhostName"] for trigger in made["spec"]["triggers"]] == ["tasks"]


@each_set
def test_the_guard_looks_after_exactly_the_workers(name) -> None:
    rendering = rendering_of(name)
    for pod in rendering.pods:
        if pod.component == "guard":
            env = {each["name"]: each.get("value") for each in pod.spec["containers"][0]["env"]}
            wanted = dict(part.split("=") for part in env["TASKYARD_GUARD_SELECTOR"].split(","))
            found = {other.component for other in rendering.pods if wanted.items() <= other.labels.items()}
            assert found == {"worker"}


@each_set
def test_a_worker_is_known_to_the_record_by_the_name_of_its_pod(name) -> None:
    """By that the guard finds the pod of an attempt."""
    for pod in rendering_of(name).pods:
        if pod.component == "worker":
            [named] = [each for each in pod.spec["containers"][0]["env"] if each["name"] == "TASKYARD_WORKER_NAME"]
            assert named["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_the_dispatcher_fills_the_buffer_for_all_slots_twice() -> None:
    """A smaller window than the workers have slots would hold the autoscaling back."""
    values = {
        "postgresql": {"maxConnections": 2000},
        "workers": {
            "pools": {
                "default": {"queues": ["default"], "concurrency": 10, "max": 90},
                "more": {"queues": ["default"], "concurrency": 4, "max": 25},
            }
        },
    }
    assert _window(render(values)) == 2 * (10 * 90 + 4 * 25)
    assert _window(render({})) == 1000
    assert _window(render({"dispatcher": {"window": 1234}})) == 1234
    with pytest.raises(RefusedError, match=r"dispatcher\.window"):
        render(values | {"dispatcher": {"window": 1999}})


def _window(rendering) -> int:
    [container] = rendering.component("Deployment", "dispatcher")["spec"]["template"]["spec"]["containers"]
    [window] = [each["value"] for each in container["env"] if each["name"] == "TASKYARD_DISPATCH_WINDOW"]
    return int(window)
