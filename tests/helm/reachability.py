"""Who may talk to whom, worked out from NetworkPolicies as a cluster that enforces them would.

A connection is open where the policies that select the taking pod let it in and those that select the calling pod let
it out; a pod that no policy selects for a direction is open in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from helm.matching import matches
from helm.rendering import NAMESPACE, Object, Rendering

NAME_OF_NAMESPACE = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Peer:
    """A pod, by what policies see of it. A peer of no namespace is outside the cluster."""

    name: str
    namespace: str | None = NAMESPACE
    labels: dict[str, str] = field(default_factory=dict, hash=False)
    ports: dict[str, int] = field(default_factory=dict, hash=False)


def peers(rendering: Rendering) -> list[Peer]:
    """Return a peer for each part that runs pods, with all its ports; a pool of workers is a part."""
    found = []
    for pod in rendering.pods:
        ports = {each["name"]: each["containerPort"] for held in pod.containers for each in held.get("ports", [])}
        found.append(Peer(pod.component, NAMESPACE, pod.labels, ports))
    return found


def is_open(rendering: Rendering, source: Peer, target: Peer, port: int) -> bool:
    """Say whether `source` may open a TCP connection to that port of `target`."""
    return _lets(rendering, "Ingress", target, source, target, port) and _lets(
        rendering, "Egress", source, target, target, port
    )


def _lets(rendering: Rendering, direction: str, of: Peer, other: Peer, target: Peer, port: int) -> bool:
    selecting = [policy for policy in _policies(rendering, of) if direction in policy["policyTypes"]]
    if not selecting:
        return True
    rules, side = direction.lower(), "from" if direction == "Ingress" else "to"
    return any(
        _peer_matches(rule.get(side), other) and _port_matches(rule.get("ports"), target, port)
        for policy in selecting
        for rule in policy.get(rules) or []
    )


def _policies(rendering: Rendering, of: Peer) -> Iterator[Object]:
    for made in rendering.of_kind("NetworkPolicy"):
        if made["metadata"]["namespace"] == of.namespace and matches(made["spec"]["podSelector"], of.labels):
            yield made["spec"]


def _peer_matches(allowed: list[Object] | None, peer: Peer) -> bool:
    return not allowed or any(_one_matches(each, peer) for each in allowed)


def _one_matches(allowed: Object, peer: Peer) -> bool:
    if "ipBlock" in allowed:
        return peer.namespace is None
    if peer.namespace is None:
        return False
    labels = {NAME_OF_NAMESPACE: peer.namespace}
    in_namespace = (
        matches(allowed["namespaceSelector"], labels) if "namespaceSelector" in allowed else peer.namespace == NAMESPACE
    )
    return in_namespace and matches(allowed.get("podSelector", {}), peer.labels)


def _port_matches(allowed: list[Object] | None, target: Peer, port: int) -> bool:
    return not allowed or any(
        each.get("protocol", "TCP") == "TCP" and target.ports.get(each.get("port"), each.get("port")) in {port, None}
        for each in allowed
    )
