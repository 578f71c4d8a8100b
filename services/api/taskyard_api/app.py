"""The composition root of the API: builds its parts, and starts and stops them in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Receive, Scope, Send

from taskyard.database import Session
from taskyard.loop_session import LoopSession
from taskyard_api import documentation, problems
from taskyard_api.access import Gate
from taskyard_api.catalogue import Catalogue
from taskyard_api.direct import Direct
from taskyard_api.keyring import Keyring
from taskyard_api.leaving import Leaving
from taskyard_api.lookups import Lookups
from taskyard_api.metrics import ApiMetrics
from taskyard_api.middleware import Edge
from taskyard_api.parts import Parts
from taskyard_api.rates import Rates
from taskyard_api.readers import Readers
from taskyard_api.routes import audit, catalogue, changing, consistency, health, reading, submitting
from taskyard_api.settings import ApiSettings
from taskyard_api.submissions import Checker
from taskyard_api.waker import Waker
from taskyard_api.watcher import Watcher
from taskyard_api.writer import Writer

_DESCRIPTION: Final = """
Submit tasks, follow them, change and cancel them while they wait.

Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problems with a stable `code`. A task that was answered
with 201 is recorded durably. Send an `Idempotency-Key` to submit safely again after a lost answer.
"""


class _Api(FastAPI):
    """FastAPI, and in front of it what each request passes first: FastAPI's own layers would stand before that."""

    front: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.front(scope, receive, send)

    async def past_front(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do what FastAPI does."""
        await super().__call__(scope, receive, send)


def build_parts(settings: ApiSettings, metrics: ApiMetrics) -> Parts:
    """Build the working parts; nothing is started or connected yet."""
    url = settings.database_url.get_secret_value()
    readers = Readers(
        lambda: Session(url, "taskyard-api reader", statement_timeout_s=5.0),
        metrics.readers,
        threads=settings.api_readers,
        backlog=settings.api_reader_backlog,
    )
    waker = Waker(Session(url, "taskyard-api waker"))
    known = Catalogue(readers, metrics.submissions)
    return Parts(
        writer=Writer(
            LoopSession(url, "taskyard-api writer", statement_timeout_s=20.0),
            metrics.submissions,
            max_tasks=settings.api_writer_tasks,
            max_bytes=settings.api_writer_bytes,
            on_queued=waker.wake,
        ),
        readers=readers,
        lookups=Lookups(readers),
        keyring=Keyring(readers, settings.api_key_fresh_s),
        catalogue=known,
        checker=Checker(known, readers, settings.api_max_body_bytes),
        watcher=Watcher(readers, metrics.http),
        waker=waker,
        metrics=metrics,
    )


def create_app(settings: ApiSettings, registry: CollectorRegistry) -> FastAPI:
    """Build the API; its parts start with its lifespan and stop after the last answer."""
    metrics = ApiMetrics(registry)
    app = _Api(
        title="Taskyard",
        description=_DESCRIPTION,
        version=version("taskyard"),
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        responses=problems.documented(),
    )
    app.state.parts = build_parts(settings, metrics)
    app.state.leaving = Leaving()
    for module in (submitting, reading, changing, catalogue, audit, consistency, health):
        app.include_router(module.router)
    problems.install(app)
    documentation.install(app)
    keyring = app.state.parts.keyring if settings.auth == "keys" else None
    direct = Direct(app.past_front, parts=app.state.parts, ways=submitting.WAYS + reading.WAYS)
    app.front = Edge(
        Gate(direct, keyring=keyring, rates=Rates(settings.api_rate_per_s)),
        metrics=metrics.http,
        leaving=app.state.leaving,
        max_body_bytes=settings.api_max_body_bytes,
        max_batch_bytes=settings.api_max_batch_bytes,
        intake_bytes=settings.api_intake_bytes,
    )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    parts.waker.start()
    parts.watcher.start()
    parts.keyring.start()
    try:
        yield
    finally:
        await parts.watcher.stop()
        await parts.keyring.stop()
        await parts.writer.stop()
        await asyncio.to_thread(parts.waker.stop)
        parts.readers.stop()
