"""A key that sends too much is told so, and when to come again."""

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from taskyard import keys
from taskyard.keys import Scope
from taskyard.statements import keys as statements
from taskyard.statements.keys import NewKey
from taskyard_api.app import create_app
from taskyard_api.settings import ApiSettings


def _headers(session, rate_per_s=None):
    key = keys.make()
    scopes = frozenset({Scope.TASKS_READ})
    assert session.run(
        statements.insert, NewKey(keys.key_id(key), keys.digest(key), "test", scopes, "test", rate_per_s=rate_per_s)
    )
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def guarded(database_url):
    """An API that asks for keys, with a rate for those without their own that no test can reach again."""
    settings = ApiSettings(DATABASE_URL=database_url, auth="keys", api_rate_per_s=0.001)
    with TestClient(create_app(settings, CollectorRegistry())) as api:
        yield api


def test_a_key_beyond_its_rate_is_refused_with_the_time_to_come_again(guarded, session):
    headers = _headers(session)
    assert guarded.get("/queues", headers=headers).status_code == 200
    refused = guarded.get("/queues", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 900 < int(refused.headers["retry-after"]) <= 1000
    assert refused.headers["content-type"] == "application/problem+json"


def test_keys_do_not_share_and_a_rate_of_its_own_holds(guarded, session):
    slow, fast = _headers(session), _headers(session, rate_per_s=1000)
    statuses = [guarded.get("/queues", headers=slow).status_code for _ in range(2)]
    assert statuses == [200, 429]
    assert [guarded.get("/queues", headers=fast).status_code for _ in range(20)] == [200] * 20


def test_a_refused_key_and_open_paths_are_no_matter_of_rates(guarded):
    for _ in range(3):
        assert guarded.get("/queues", headers={"Authorization": "Bearer nobody"}).status_code == 401
        assert guarded.get("/livez").status_code == 200


def test_without_keys_there_is_no_limit(database_url):
    settings = ApiSettings(DATABASE_URL=database_url, auth="none", api_rate_per_s=0.001)
    with TestClient(create_app(settings, CollectorRegistry())) as api:
        assert [api.get("/queues").status_code for _ in range(5)] == [200] * 5
