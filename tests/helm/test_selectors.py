"""What selects pods selects some, and the right ones; what names a port finds it."""

import pytest

from helm.matching import matches
from helm.rendering import Object, PodTemplate, Rendering, identity
from helm.value_sets import each_set, rendering_of

MONITORS = ("ServiceMonitor", "PodMonitor")


def selected(rendering: Rendering, selector: Object) -> list[PodTemplate]:
    """Return the pods that a label selector picks."""
    return [pod for pod in rendering.pods if matches(selector, pod.labels)]


def ports(pod: PodTemplate) -> dict[str, int]:
    """Return the ports of a pod, by name."""
    return {port["name"]: port["containerPort"] for each in pod.containers for port in each.get("ports", [])}


@each_set
def test_a_workload_selects_its_own_pods_and_no_others(name) -> None:
    rendering = rendering_of(name)
    for made in rendering.of_kind("Deployment", "StatefulSet"):
        assert [pod.owner for pod in selected(rendering, made["spec"]["selector"])] == [identity(made)]


@each_set
def test_a_service_leads_to_one_workload_and_to_ports_it_has(name) -> None:
    rendering = rendering_of(name)
    for service in rendering.of_kind("Service"):
        pods = selected(rendering, {"matchLabels": service["spec"]["selector"]})
        assert len(pods) == 1, identity(service)
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            assert target in ports(pods[0]) or target in ports(pods[0]).values(), identity(service)


@each_set
def test_every_stateful_set_has_its_service(name) -> None:
    """A headless one, where its pods must be told apart by name."""
    rendering = rendering_of(name)
    for made in rendering.of_kind("StatefulSet"):
        service = rendering.get("Service", made["spec"]["serviceName"])
        assert service["spec"].get("clusterIP") == "None" or made["spec"]["replicas"] == 1
        assert service["spec"]["selector"].items() <= made["spec"]["template"]["metadata"]["labels"].items()


@each_set
def test_a_disruption_budget_is_that_of_one_workload(name) -> None:
    """It must not forbid all: a node that is to be drained would never be."""
    rendering = rendering_of(name)
    for budget in rendering.of_kind("PodDisruptionBudget"):
        assert len(selected(rendering, budget["spec"]["selector"])) == 1, identity(budget)
        assert budget["spec"].get("maxUnavailable", 1) != 0
        assert budget["spec"]["unhealthyPodEvictionPolicy"] in {"AlwaysAllow", "IfHealthyBudget"}


@each_set
def test_an_autoscaler_scales_a_deployment_that_is_there(name) -> None:
    rendering = rendering_of(name)
    for scaler in rendering.of_kind("ScaledObject", "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        deployment = rendering.get(target.get("kind", "Deployment"), target["name"])
        assert "replicas" not in deployment["spec"], "the autoscaler and Helm would fight over them"


@each_set
def test_what_no_autoscaler_scales_says_its_replicas(name) -> None:
    rendering = rendering_of(name)
    scalers = rendering.of_kind("ScaledObject", "HorizontalPodAutoscaler")
    scaled = {scaler["spec"]["scaleTargetRef"]["name"] for scaler in scalers}
    assert len(scaled) == len(scalers), "two autoscalers of one Deployment fight"
    for made in rendering.of_kind("Deployment", "StatefulSet"):
        assert ("replicas" in made["spec"]) == (made["metadata"]["name"] not in scaled), identity(made)


@each_set
def test_a_network_policy_is_for_some_pod(name) -> None:
    rendering = rendering_of(name)
    for policy in rendering.of_kind("NetworkPolicy"):
        assert selected(rendering, policy["spec"]["podSelector"]), identity(policy)


@each_set
def test_the_spread_over_nodes_is_that_of_the_pods_themselves(name) -> None:
    for pod in rendering_of(name).pods:
        for constraint in pod.spec.get("topologySpreadConstraints", []):
            assert matches(constraint["labelSelector"], pod.labels), pod.owner


@each_set
def test_whatever_runs_more_than_once_is_spread(name) -> None:
    rendering = rendering_of(name)
    scalers = rendering.of_kind("ScaledObject", "HorizontalPodAutoscaler")
    scaled = {scaler["spec"]["scaleTargetRef"]["name"] for scaler in scalers}
    for made in rendering.of_kind("Deployment", "StatefulSet"):
        if made["spec"].get("replicas", 1) > 1 or made["metadata"]["name"] in scaled:
            assert made["spec"]["template"]["spec"].get("topologySpreadConstraints"), identity(made)


def test_a_service_monitor_finds_a_service_and_its_port() -> None:
    rendering = rendering_of("monitoring")
    for monitor in rendering.of_kind("ServiceMonitor"):
        found = [
            service
            for service in rendering.of_kind("Service")
            if matches(monitor["spec"]["selector"], service["metadata"]["labels"])
        ]
        for endpoint in monitor["spec"]["endpoints"]:
            having = [each for each in found if endpoint["port"] in {port["name"] for port in each["spec"]["ports"]}]
            assert len(having) == 1, f"{identity(monitor)}: scraped as often as services match"


def test_a_pod_monitor_finds_pods_and_their_port() -> None:
    rendering = rendering_of("monitoring")
    for monitor in rendering.of_kind("PodMonitor"):
        found = selected(rendering, monitor["spec"]["selector"])
        assert found, identity(monitor)
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            assert all(endpoint["port"] in ports(pod) for pod in found), identity(monitor)


def test_every_part_with_metrics_is_scraped_once() -> None:
    rendering = rendering_of("monitoring")
    scraped: list[str] = []
    for monitor in rendering.of_kind("PodMonitor"):
        scraped += [pod.owner for pod in selected(rendering, monitor["spec"]["selector"])]
    for monitor in rendering.of_kind("ServiceMonitor"):
        names = {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]}
        for service in rendering.of_kind("Service"):
            is_meant = matches(monitor["spec"]["selector"], service["metadata"]["labels"])
            if is_meant and names & {port["name"] for port in service["spec"]["ports"]}:
                [pod] = selected(rendering, {"matchLabels": service["spec"]["selector"]})
                scraped.append(pod.owner)
    wanted = [
        pod.owner
        for pod in rendering.pods
        if pod.component in {"api", "dispatcher", "worker", "guard", "rabbitmq", "postgresql"}
    ]
    assert sorted(scraped) == sorted(wanted)


@pytest.mark.parametrize("kind", MONITORS)
def test_monitors_and_rules_have_the_labels_by_which_a_prometheus_picks_them(kind) -> None:
    rendering = rendering_of("monitoring")
    made = rendering.of_kind(kind, "PrometheusRule")
    assert made
    assert all(each["metadata"]["labels"]["release"] == "kube-prometheus-stack" for each in made)
