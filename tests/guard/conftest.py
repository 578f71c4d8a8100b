"""A stand-in for a cluster."""

from collections.abc import Iterator

import pytest

from guard.api_server import ClusterStandIn
from taskyard_kubernetes.api_server import ApiServer


@pytest.fixture
def cluster() -> Iterator[ClusterStandIn]:
    """One with nothing in it."""
    made = ClusterStandIn()
    yield made
    made.close()


@pytest.fixture
def server(cluster) -> Iterator[ApiServer]:
    """The API server of the stand-in, as we ask it."""
    made = ApiServer(cluster.url, None)
    yield made
    made.close()
