"""The API in this process, on a real database."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from api.keyed import keyed_api
from taskyard_api.app import create_app
from taskyard_api.settings import ApiSettings


@pytest.fixture
def api_registry() -> CollectorRegistry:
    """The metrics of the API under test."""
    return CollectorRegistry()


@pytest.fixture
def api(database_url, api_registry) -> Iterator[TestClient]:
    """A client of an API with settings of every day."""
    app = create_app(ApiSettings(DATABASE_URL=database_url, auth="none"), api_registry)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def guarded(database_url) -> Iterator[TestClient]:
    """A client of an API that asks for keys."""
    with keyed_api(database_url) as client:
        yield client
