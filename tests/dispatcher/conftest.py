"""A consistency check on the test's database, and a clock for it."""

import pytest
from prometheus_client import CollectorRegistry

from dispatcher.consistency_passes import Clock
from taskyard_dispatcher.consistency import Consistency
from taskyard_dispatcher.metrics import DispatcherMetrics
from taskyard_dispatcher.recovery import Leases


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def check(session, registry, clock) -> Consistency:
    metrics = DispatcherMetrics(registry)
    leases = Leases(session, 3, lambda: 0.5, metrics)
    return Consistency(session, leases, metrics, rows_per_s=1000, pass_s=60, clock=clock)
