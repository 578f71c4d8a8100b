"""No value is there for nothing: each, set to something else, renders something else."""

from typing import Any

import pytest
import yaml

from helm.rendering import merge, render, side_by_side
from helm.values_tree import Path, leaves, put

# With everything on, so that every value can matter.
ALL_ON: dict[str, Any] = {
    "secrets": {"mode": "job"},
    "api": {"autoscaling": {"enabled": True}},
    "ingress": {"enabled": True, "host": "tasks.example", "flowerHost": "flower.example", "tls": {"enabled": True}},
    "monitoring": {each: {"enabled": True} for each in ("serviceMonitor", "podMonitor", "rules", "dashboards")},
    "global": {"networkPolicy": {"egress": True}},
    "postgresql": {"backup": {"enabled": True}, "metrics": {"enabled": True}, "maxConnections": 500},
}
GATEWAY = {
    "ingress": {"enabled": False},
    "gateway": {"enabled": True, "host": "tasks.example", "flowerHost": "f.example", "parentRefs": [{"name": "a"}]},
}
EXTERNAL = {
    "database": {"mode": "external", "external": {"existingSecret": "db"}},
    "broker": {"mode": "external", "external": {"existingSecret": "mq"}},
    "postgresql": {"enabled": False},
    "rabbitmq": {"enabled": False},
}
OPERATORS = {
    "database": {"mode": "cnpg"},
    "broker": {"mode": "operator"},
    "postgresql": {"enabled": False},
    "rabbitmq": {"enabled": False},
}
# What is needed besides ALL_ON for values below these to matter.
NEEDED: dict[str, dict[str, Any]] = {
    "gateway": GATEWAY,
    "database.external": EXTERNAL,
    "database.urls": EXTERNAL,
    "broker.urls": EXTERNAL,
    "broker.managementUrls": EXTERNAL,
    "broker.external": EXTERNAL,
    "database.cnpg": OPERATORS,
    "broker.operator": OPERATORS,
    "flower.enabled": {"ingress": {"flowerHost": ""}},
    "migrations.enabled": {"tests": {"enabled": False}},
    "api.replicas": {"api": {"autoscaling": {"enabled": False}}},
    "api.service.nodePort": {"api": {"service": {"type": "NodePort"}}},
    "workers.defaults.replicas": {"autoscaling": {"mode": "none"}},
    "autoscaling.keda.cooldownSeconds": {"workers": {"defaults": {"min": 0}}},
    "autoscaling.hpa": {"autoscaling": {"mode": "hpa"}},
    "rabbitmq.quorumWaitSeconds": {"rabbitmq": {"replicas": 3}},
    "rabbitmq.drainSeconds": {"rabbitmq": {"replicas": 3}},
}
# What a value becomes where nothing can be made of the one it has.
OTHERWISE: dict[str, Any] = {
    "dispatcher.window": 3000,
    "global.queues": [{"name": "default"}, {"name": "mail"}],
    "global.imagePullSecrets": ["mirror"],
    "global.networkPolicy.ingressNamespaces": ["traefik"],
    "global.gitops.enabled": True,
    "image.pullPolicy": "Always",
    "secrets.mode": "generate",
    "auth.mode": "none",
    "database.urls": {"worker": {"secret": "more", "key": "url"}},
    "broker.urls": {"worker": {"secret": "more", "key": "url"}},
    "broker.managementUrls": {"keda": {"secret": "more", "key": "url"}},
    "autoscaling.mode": "hpa",
    "workers.defaults.safeToEvict": False,
    "workers.defaults.handlers": ["myshop.tasks"],
    "workers.pools.default.queues": ["default", "mail"],
    "autoscaling.keda.cooldownSeconds": 77,
    "autoscaling.behavior.scaleUp.policies": [{"type": "Pods", "value": 1, "periodSeconds": 10}],
    "autoscaling.behavior.scaleDown.policies": [{"type": "Pods", "value": 1, "periodSeconds": 10}],
    "autoscaling.behavior.scaleUp.selectPolicy": "Min",
    "autoscaling.behavior.scaleDown.selectPolicy": "Max",
    "api.service.type": "LoadBalancer",
    "api.service.nodePort": 30080,
    "flower.service.type": "NodePort",
    "gateway.enabled": False,
    "broker.operator.replicas": 5,
    "gateway.parentRefs": [{"name": "other"}],
    "gateway.requestTimeout": "90s",
    "database.mode": "external",
    "broker.mode": "external",
    "rabbitmq.replicas": 3,
    "rabbitmq.persistence.whenDeleted": "Delete",
    "rabbitmq.persistence.whenScaled": "Delete",
    "rabbitmq.diskFreeLimit": "3GB",
    "rabbitmq.logLevel": "debug",
    "rabbitmq.extraPlugins": ["rabbitmq_shovel"],
    "rabbitmq.extraConfig": "heartbeat = 30",
    "rabbitmq.memoryHighWatermark": 0.5,
    "rabbitmq.networkPolicy.extraIngress": [{"from": [{"namespaceSelector": {}}]}],
    "postgresql.networkPolicy.extraIngress": [{"from": [{"namespaceSelector": {}}]}],
    "postgresql.persistence.whenDeleted": "Delete",
    "postgresql.settings": {"work_mem": "9MB"},
    "postgresql.backup.schedule": "1 2 * * *",
    "postgresql.backup.timeZone": "Europe/Berlin",
    "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}}],
}
BY_KEY: dict[str, Any] = {
    "digest": "sha256:" + "0" * 64,
    "pullPolicy": "Always",
    "resources": {"requests": {"cpu": "7m"}},
    "requests": {"cpu": "7m"},
    "limits": {"memory": "7Gi"},
    "config": {"TASKYARD_LOG_LEVEL": "debug"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "topologySpreadConstraints": [
        {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
    ],
    "extraEnv": [{"name": "MORE", "value": "1"}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "size": "77Gi",
    "storageSize": "77Gi",
    "tmpSize": "77Mi",
    "sharedMemory": "77Mi",
    "pods": {"nodeSelector": {"a": "b"}},
    "spec": {"tolerations": [{"key": "a", "operator": "Exists"}]},
    "labels": {"a": "b"},
    "annotations": {"a": "b"},
}
# What matters where the cluster is asked: tests/helm/test_upgrades.py; what only refuses: tests/helm/test_refusals.py.
SEEN_ELSEWHERE = {"rabbitmq.upgradeGuard", "postgresql.upgradeGuard", "database.external.maxConnections"}


def another(place: Path, value: Any) -> Any:
    """Return a value that the schema takes, and that is not the one which is there."""
    name = ".".join(place)
    for known, key in ((OTHERWISE, name), (BY_KEY, place[-1])):
        if key in known:
            return known[key]
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x" if value else "another"
        case dict():
            return {"a": "b"}
    raise ValueError(f"no other value for {name}: {value!r}")


def base_of(place: Path) -> dict[str, Any]:
    """Return the values with which that one can matter."""
    name = ".".join(place)
    values = ALL_ON
    for above, needed in NEEDED.items():
        if name == above or name.startswith(f"{above}."):
            values = merge(values, needed)
    return values


def effect(place: Path, value: Any) -> str:
    """Return an empty text where it has one, else what is wrong."""
    base = base_of(place)
    changed = merge(base, put(place, another(place, value)))
    name = ".".join(place)
    if name in {"database.mode", "postgresql.enabled"}:
        changed = merge(changed, {key: EXTERNAL[key] for key in ("database", "postgresql")})
    if name in {"broker.mode", "rabbitmq.enabled"}:
        changed = merge(changed, {key: EXTERNAL[key] for key in ("broker", "rabbitmq")})
    if name == "workers.pools.default.queues":
        changed = merge(changed, {"global": {"queues": OTHERWISE["global.queues"]}})
        base = merge(base, {"global": {"queues": OTHERWISE["global.queues"]}})
    try:
        is_same = render(base).text == render(changed).text
    except Exception as error:  # noqa: BLE001 -- all are collected, and shown together
        return f"{name}: {str(error)[:300]}"
    return f"{name}: renders the same" if is_same else ""


@pytest.mark.timeout(900)
def test_every_value_changes_something(chart_values) -> None:
    places = list(leaves(merge(chart_values, ALL_ON)))
    said = side_by_side(
        [
            lambda place=place, value=value: effect(place, value)
            for place, value in places
            if ".".join(place) not in SEEN_ELSEWHERE
        ]
    )
    assert not any(said), "\n".join(filter(None, said))
    assert len(places) > 200


def test_values_that_are_not_there_are_not_skipped(chart_values) -> None:
    known = {".".join(place) for place, _ in leaves(chart_values)}
    assert known >= SEEN_ELSEWHERE
    assert known >= OTHERWISE.keys(), yaml.safe_dump(sorted(OTHERWISE.keys() - known))
