"""Who may talk to whom is who must: a table of it, and everything else is closed.

A single node shows no enforcement, and some networks enforce nothing, so it is worked out from the policies.
"""

import itertools

import pytest

from helm.reachability import Peer, is_open, peers
from helm.rendering import Rendering, render
from helm.value_sets import FILES, each_set, rendering_of

each_set_with_policies = pytest.mark.parametrize("name", sorted(FILES.keys() - {"open-network"}))
INTERNET = Peer("internet", None)
SOMEBODY = Peer("somebody", "elsewhere")
NEIGHBOUR = Peer("neighbour", labels={"app.kubernetes.io/name": "other"})
KEDA = Peer("keda", "keda")
PROMETHEUS = Peer("prometheus", "monitoring")
OUTSIDE = [INTERNET, SOMEBODY, NEIGHBOUR, KEDA, PROMETHEUS]
API_SERVER = Peer("api-server", None, ports={"https": 6443})

DATABASE, AMQP, MANAGEMENT, API, FLOWER, METRICS = 5432, 5672, 15672, 8000, 5555, 9100
NEEDED = {
    ("api", "postgresql", DATABASE),
    ("dispatcher", "postgresql", DATABASE),
    ("worker", "postgresql", DATABASE),
    ("guard", "postgresql", DATABASE),
    ("migrate", "postgresql", DATABASE),
    ("dispatcher", "rabbitmq", AMQP),
    ("worker", "rabbitmq", AMQP),
    ("flower", "rabbitmq", AMQP),
    ("flower", "rabbitmq", MANAGEMENT),
    ("keda", "rabbitmq", MANAGEMENT),
    ("test", "api", API),
    ("test", "api", METRICS),
    ("prometheus", "api", METRICS),
    ("prometheus", "dispatcher", METRICS),
    ("prometheus", "worker", METRICS),
    ("prometheus", "guard", METRICS),
    ("prometheus", "flower", FLOWER),
    ("prometheus", "rabbitmq", 15692),
}


def open_ways(rendering: Rendering) -> set[tuple[str, str, int]]:
    """Return every connection that is open: from whom, to whom, to which port."""
    inside = peers(rendering)
    return {
        (source.name, target.name, port)
        for source, target in itertools.product([*inside, *OUTSIDE], inside)
        for port in target.ports.values()
        if is_open(rendering, source, target, port)
    }


@pytest.mark.parametrize("name", ["defaults", "monitoring"])
def test_what_must_talk_may_and_nothing_else(name) -> None:
    rendering = render(MONITORED if name == "monitoring" else {})
    found = {way for way in open_ways(rendering) if way[1:] != ("api", API)} | {("test", "api", API)}  # open to all
    extra = {
        ("rabbitmq-definitions", "rabbitmq", MANAGEMENT),
        ("prometheus", "postgresql", 9187),
        ("rabbitmq-feature-flags", "rabbitmq", 4369),
        ("rabbitmq-feature-flags", "rabbitmq", 25672),
        ("postgresql-backup", "postgresql", DATABASE),
    }
    between_brokers = {("rabbitmq", "rabbitmq", 4369), ("rabbitmq", "rabbitmq", 25672)}
    assert NEEDED - found == set(), "what must be open"
    assert found - NEEDED - extra - between_brokers == set(), "what must be closed"


MONITORED = {
    "monitoring": {each: {"enabled": True} for each in ("serviceMonitor", "podMonitor")},
    "rabbitmq": {"replicas": 3},
}


def test_nodes_of_rabbitmq_reach_one_another() -> None:
    found = open_ways(render({"rabbitmq": {"replicas": 3}}))
    assert {("rabbitmq", "rabbitmq", 4369), ("rabbitmq", "rabbitmq", 25672)} <= found


@each_set_with_policies
def test_nobody_else_reaches_a_server(name) -> None:
    """Neither another pod of the namespace, nor another namespace, nor anything outside."""
    rendering = rendering_of(name)
    ways = open_ways(rendering)
    servers = {"postgresql", "rabbitmq"}
    strangers = {"internet", "somebody", "neighbour"}
    metrics = {15692, 9187}
    spaced = rendering_of("strict-network") is rendering  # there any namespace may scrape
    found = {way for way in ways if way[0] in strangers and way[1] in servers and not (spaced and way[2] in metrics)}
    assert found == set()


@each_set_with_policies
def test_every_pod_has_a_policy(name) -> None:
    rendering = rendering_of(name)
    for peer in peers(rendering):
        assert not is_open(rendering, SOMEBODY, peer, 1), f"{peer.name} takes whatever comes"


def test_without_policies_everything_is_open() -> None:
    """What is worked out above is not closed of itself."""
    rendering = rendering_of("open-network")
    assert ("internet", "postgresql", DATABASE) in open_ways(rendering)


def test_the_api_can_be_opened_to_some_namespaces_alone() -> None:
    rendering = render({"global": {"networkPolicy": {"ingressNamespaces": ["traefik"]}}})
    [api] = [peer for peer in peers(rendering) if peer.name == "api"]
    assert is_open(rendering, Peer("gateway", "traefik"), api, API)
    assert not is_open(rendering, SOMEBODY, api, API)
    assert not is_open(rendering, INTERNET, api, API)
    assert not is_open(rendering, Peer("gateway", "traefik"), api, METRICS)


def test_flower_is_reached_from_outside_only_through_an_ingress_of_its_own() -> None:
    def flower_is_open(values: dict) -> bool:
        rendering = render(values)
        [flower] = [peer for peer in peers(rendering) if peer.name == "flower"]
        return is_open(rendering, SOMEBODY, flower, FLOWER)

    assert not flower_is_open({"ingress": {"enabled": True, "host": "tasks.example"}})
    assert flower_is_open({"ingress": {"enabled": True, "host": "tasks.example", "flowerHost": "flower.example"}})


def test_with_egress_closed_parts_reach_what_they_must_and_nothing_else() -> None:
    rendering = render({"global": {"networkPolicy": {"egress": True}}})
    found = open_ways(rendering)
    assert NEEDED - {way for way in found if way in NEEDED} == set()
    out = {peer.name for peer in peers(rendering) if is_open(rendering, peer, Peer("web", None), 80)}
    assert out <= {"worker", "postgresql", "rabbitmq"}
    assert "worker" in out, "handlers go anywhere"
    to_api_server = {peer.name for peer in peers(rendering) if is_open(rendering, peer, API_SERVER, 6443)}
    assert {"guard", "test"} <= to_api_server
    assert not {"api", "dispatcher", "flower", "migrate"} & to_api_server


@each_set
def test_names_can_be_looked_up_where_egress_is_closed(name) -> None:
    for made in rendering_of(name).of_kind("NetworkPolicy"):
        if "Egress" in made["spec"]["policyTypes"] and made["spec"].get("egress"):
            ports = [port for rule in made["spec"]["egress"] for port in rule.get("ports", [])]
            assert {"port": 53, "protocol": "UDP"} in ports, made["metadata"]["name"]
            assert {"port": 53, "protocol": "TCP"} in ports, made["metadata"]["name"]


def test_namespaces_of_keda_and_prometheus_can_be_named() -> None:
    values = {"global": {"networkPolicy": {"kedaNamespace": "scaling", "monitoringNamespace": "watch"}}}
    rendering = render(values)
    [rabbitmq] = [peer for peer in peers(rendering) if peer.name == "rabbitmq"]
    assert is_open(rendering, Peer("keda", "scaling"), rabbitmq, MANAGEMENT)
    assert not is_open(rendering, KEDA, rabbitmq, MANAGEMENT)
    assert is_open(rendering, Peer("prometheus", "watch"), rabbitmq, 15692)
    assert not is_open(rendering, PROMETHEUS, rabbitmq, 15692)
