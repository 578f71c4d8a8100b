"""Every rule and every panel, against a real Prometheus that scrapes a real run."""

import json

import pytest
from dashboards.__main__ import ALL, FOLDER

from monitoring.alerting import rules
from monitoring.expressions import OURS, known_series, selectors
from monitoring.filling import filled
from monitoring.inventory import INVENTORY
from monitoring.prometheus_server import Prometheus
from waiting import eventually

pytestmark = pytest.mark.e2e

ON_KUBERNETES_ALONE = {
    series for name, metric in INVENTORY.items() if metric.components == ("guard",) for series in metric.series(name)
}
"""Not here: the guard needs a cluster."""

NEWER_RABBITMQ = {"rabbitmq_unreachable_cluster_peers_count"}
"""Not in the 3.10 of Debian 12."""

QUERIES = [
    pytest.param(filled(target["expr"]), id=f"{name}-{panel['title']}-{target['refId']}")
    for name in ALL
    for panel in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["panels"]
    for target in panel.get("targets", [])
]


def used_series() -> set[str]:
    """Return all that a rule or panel selects."""
    expressions = [rule.expression for rule in rules()] + [query.values[0] for query in QUERIES]
    return {selector.name for expression in expressions for selector in selectors(expression)}


def is_here(series: str) -> bool:
    """Whether a run without Kubernetes and without an exporter of PostgreSQL has this series."""
    absent = ON_KUBERNETES_ALONE | NEWER_RABBITMQ
    return series not in absent and not series.startswith(("pg_", "keda_", "kube_", "kubelet_", "ALERTS"))


def exports(prometheus: Prometheus, needed: set[str]) -> bool:
    assert needed - prometheus.names() == set()
    return True


def test_every_target_is_scraped(prometheus):
    eventually(lambda: {target["health"] for target in prometheus.targets()} == {"up"}, "all targets are up", 60)
    assert len(prometheus.targets()) == 5


def test_every_series_of_a_rule_or_panel_is_exported(prometheus):
    needed = {series for series in used_series() if is_here(series)}
    assert len(needed & OURS) > 40
    eventually(lambda: exports(prometheus, needed), "all series are there", 60)


def test_every_metric_of_the_inventory_is_exported(prometheus):
    needed = {series for series in OURS if is_here(series)}
    eventually(lambda: exports(prometheus, needed), "the whole inventory is there", 60)


def test_nothing_of_ours_is_exported_that_the_inventory_lacks(prometheus):
    ours = {name for name in prometheus.names() if name.startswith("taskyard_")}
    assert {name for name in ours if not name.endswith("_created")} - OURS == set()
    assert {name for name in prometheus.names() if name.startswith("taskyard:")} <= known_series()


def test_prometheus_evaluates_every_rule(prometheus):
    eventually(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), "all rules were evaluated", 60)
    assert len(prometheus.rules()) == len(rules())


@pytest.mark.parametrize("query", QUERIES)
def test_prometheus_answers_every_panel(prometheus, query):
    found = prometheus.query(query)
    if all(is_here(selector.name) for selector in selectors(query)) and " > 0)" not in query:
        assert found


def test_a_healthy_run_fires_nothing(prometheus):
    assert prometheus.query('ALERTS{alertname=~"Taskyard.+", alertstate="firing"}') == []
