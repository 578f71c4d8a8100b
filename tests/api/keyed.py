"""An API that asks for keys, and keys for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from taskyard import issuing
from taskyard.issuing import Person, Wish
from taskyard.keys import Scope
from taskyard_api.app import create_app
from taskyard_api.settings import ApiSettings

SOMEBODY = Person("cli:somebody", "a-host")


@contextmanager
def keyed_api(database_url: str, **settings: float) -> Iterator[TestClient]:
    """Give a client of an API that asks for keys."""
    app = create_app(ApiSettings(DATABASE_URL=database_url, **settings), CollectorRegistry())
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def make_key(session, *scopes: str, **wish: float) -> str:
    made = Wish("a key", frozenset(Scope(scope) for scope in scopes), **wish)
    with session.transaction() as cursor:
        return issuing.create(cursor, made, SOMEBODY)


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
