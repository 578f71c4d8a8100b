"""Metrics of the guard."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class GuardMetrics:
    """All metric objects of one guard."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.patches = Counter(
            "taskyard_guard_patches_total",
            "Deletion costs written: done, gone (the pod was removed meanwhile), refused.",
            ["result"],
            registry=registry,
        )
        self.busy_pods = Gauge("taskyard_guard_busy_pods", "Workers' pods that run something.", registry=registry)
        self.last_round = Gauge(
            "taskyard_guard_last_round_timestamp_seconds",
            "When the costs were last made true, in Unix time.",
            registry=registry,
        )
        for result in ("done", "gone", "refused"):
            self.patches.labels(result)
