"""Kubernetes 1.30 to 1.37 take what is rendered, and so do the operators whose resources are among it."""

import pytest

from helm import fetching, schemas
from helm.rendering import identity
from helm.value_sets import each_set, rendering_of


@each_set
def test_every_object_is_one_that_every_version_takes(name) -> None:
    faults = [
        f"{version} {identity(made)}: {fault}"
        for made in rendering_of(name).objects
        for version in fetching.KUBERNETES_VERSIONS
        for fault in schemas.faults(made, version)
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ScaledObject", "defaults"),
        ("TriggerAuthentication", "defaults"),
        ("ServiceMonitor", "monitoring"),
        ("PodMonitor", "monitoring"),
        ("PrometheusRule", "monitoring"),
        ("HTTPRoute", "gateway"),
        ("Ingress", "ingress"),
        ("HorizontalPodAutoscaler", "hpa"),
        ("Cluster", "operators"),
        ("RabbitmqCluster", "operators"),
        ("StatefulSet", "defaults"),
        ("Job", "defaults"),
        ("NetworkPolicy", "defaults"),
        ("PodDisruptionBudget", "defaults"),
    ],
)
def test_the_sets_of_values_have_every_kind_among_them(kind, name) -> None:
    assert rendering_of(name).of_kind(kind)
