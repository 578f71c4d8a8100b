"""What a PromQL expression asks for: read from its syntax tree, not from its text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import promql_parser

from monitoring.alerting import rules
from monitoring.inventory import INVENTORY

RANGE_FUNCTIONS: Final = frozenset({"rate", "irate", "increase"})
"""The only functions in which a counter says anything."""

EXTERNAL: Final = frozenset(
    {
        # Prometheus's own
        "up",
        "ALERTS",
        # of every Python process
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        # RabbitMQ
        "rabbitmq_alarms_memory_used_watermark",
        "rabbitmq_alarms_free_disk_space_watermark",
        "rabbitmq_connections",
        "rabbitmq_detailed_queue_consumers",
        "rabbitmq_detailed_queue_messages",
        "rabbitmq_detailed_queue_messages_ready",
        "rabbitmq_detailed_queue_messages_unacked",
        "rabbitmq_disk_space_available_bytes",
        "rabbitmq_disk_space_available_limit_bytes",
        "rabbitmq_global_messages_confirmed_total",
        "rabbitmq_global_messages_redelivered_total",
        "rabbitmq_global_messages_unroutable_returned_total",
        "rabbitmq_process_resident_memory_bytes",
        "rabbitmq_resident_memory_limit_bytes",
        "rabbitmq_unreachable_cluster_peers_count",
        # postgres_exporter
        "pg_database_size_bytes",
        "pg_settings_max_connections",
        "pg_stat_activity_count",
        "pg_stat_activity_max_tx_duration",
        "pg_stat_user_tables_n_dead_tup",
        "pg_up",
        # KEDA, kube-state-metrics, kubelet
        "keda_scaled_object_errors_total",
        "keda_scaler_metrics_value",
        "kube_horizontalpodautoscaler_spec_max_replicas",
        "kube_horizontalpodautoscaler_status_current_replicas",
        "kubelet_volume_stats_available_bytes",
        "kubelet_volume_stats_capacity_bytes",
    }
)
"""Series of others that rules and panels may use."""

OURS: Final = frozenset(series for name, metric in INVENTORY.items() for series in metric.series(name))
COUNTERS: Final = frozenset(
    [name for name, metric in INVENTORY.items() if metric.type == "counter"]
    + [series for name, metric in INVENTORY.items() if metric.type == "histogram" for series in metric.series(name)]
    + [name for name in EXTERNAL if name.endswith("_total")]
)


@dataclass(frozen=True, slots=True)
class Selector:
    """One series that is selected, its matchers, and the function directly around it, if there is one."""

    name: str
    labels: frozenset[str]
    function: str | None


def selectors(expression: str) -> list[Selector]:
    """Return what an expression selects.

    Raises:
        ValueError: it is no PromQL.
    """
    found: list[Selector] = []
    within: list[str] = []

    def enter(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.Call):
            within.append(node.func.name)
        elif isinstance(node, promql_parser.VectorSelector):
            labels = frozenset(matcher.name for matcher in node.matchers.matchers)
            found.append(Selector(node.name or "", labels, within[-1] if within else None))

    def leave(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.Call):
            within.pop()

    promql_parser.walk(promql_parser.parse(expression), enter, leave)
    return found


@cache
def known_series() -> frozenset[str]:
    """Return all names that an expression may use: ours, those of others, and those that rules record."""
    return OURS | EXTERNAL | {rule.name for rule in rules() if not rule.is_alert}


def misuses(expression: str) -> Iterator[str]:
    """Give what is wrong with the series of an expression: unknown names and labels, counters that are not rated."""
    for selector in selectors(expression):
        if selector.name not in known_series():
            yield f"{selector.name} is no series that there is"
        if selector.name in COUNTERS and selector.function not in RANGE_FUNCTIONS:
            yield f"{selector.name} is a counter, and stands outside {', '.join(sorted(RANGE_FUNCTIONS))}"
        if selector.name in OURS:
            for label in selector.labels - _labels(selector.name):
                yield f"{selector.name} has no label {label}"


def _labels(series: str) -> frozenset[str]:
    metric = INVENTORY.get(series) or INVENTORY[re.sub(r"_(bucket|sum|count)$", "", series)]
    return frozenset({*metric.labels, "le", "namespace", "release", "job", "instance"})
