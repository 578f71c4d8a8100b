"""What the metrics of all parts have in common: buckets, and what every process shows of itself."""

from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from taskyard.log_counts import COUNTS

HTTP_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
WAIT_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
RUN_SECONDS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800, 3600)
DATABASE_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
END_TO_END_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
ATTEMPTS: Final = (1, 2, 3, 5, 8, 13)
BATCH_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def registry(component: str) -> CollectorRegistry:
    """Return a registry of its own for one process, with what each process shows of itself."""
    # Each counter and histogram would have a series more, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # of a library that is typed but for this
    collectors = CollectorRegistry()
    ProcessCollector(registry=collectors)
    PlatformCollector(registry=collectors)
    GCCollector(registry=collectors)
    build = Gauge(
        "taskyard_build_info", "Always 1; the labels say what runs.", ["component", "version"], registry=collectors
    )
    build.labels(component, version("taskyard")).set(1)
    collectors.register(COUNTS)
    return collectors
