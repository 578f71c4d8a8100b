"""A real API server takes whatever the chart renders, from every preset and set of values, without making any of it.

It judges what schemas do not: rules between fields, quantities, selectors that fit labels, ports that exist, names.
Pods are shown to it one by one as well, in a namespace that enforces the restricted standard: Pod Security admission
looks at pods alone. Resources of operators that the cluster does not have are left out.
"""

import json
from collections.abc import Iterator

import pytest

from helm.rendering import Object, Rendering, identity, render
from helm.value_sets import FILES, values_of
from k8s.cluster import Cluster, command


@pytest.fixture(scope="module")
def restricted(cluster) -> Cluster:
    """The namespace, enforcing what all pods are to keep to."""
    label = "pod-security.kubernetes.io/enforce=restricted"
    command("kubectl", "label", "namespace", cluster.namespace, label, "--overwrite")
    return cluster


@pytest.fixture(scope="module")
def served(restricted) -> set[str]:
    """The groups and versions that the cluster has."""
    return set(restricted.kubectl("api-versions").split())


def shown(cluster: Cluster, objects: list[Object]) -> None:
    """Have the API server judge these objects; CommandError says what it has against one."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    how = ["--server-side", "--dry-run=server", "--field-manager=taskyard-tests", "--force-conflicts"]
    cluster.kubectl("apply", *how, "--filename", "-", stdin=text)


def pods(rendering: Rendering, namespace: str) -> Iterator[Object]:
    """Yield each pod as the controllers would make it; its volume claims, which they add, as empty folders."""
    claims = {
        identity(made): [claim["metadata"]["name"] for claim in made["spec"].get("volumeClaimTemplates", [])]
        for made in rendering.of_kind("StatefulSet")
    }
    for number, pod in enumerate(rendering.pods):
        volumes = [{"name": each, "emptyDir": {}} for each in claims.get(pod.owner, [])]
        spec = pod.spec | {"volumes": [*pod.spec.get("volumes", []), *volumes]}
        metadata = {"name": f"pod-{number}", "namespace": namespace, "labels": pod.labels}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("name", FILES)
def test_the_api_server_takes_it(restricted, served, name) -> None:
    rendering = render(values_of(name), namespace=restricted.namespace)
    objects = [made for made in rendering.objects if made["apiVersion"] in served]
    assert len(objects) > 20
    # A pod is judged only where its account is; these alone are made.
    restricted.apply(*rendering.of_kind("ServiceAccount"))
    shown(restricted, objects)
    shown(restricted, list(pods(rendering, restricted.namespace)))
