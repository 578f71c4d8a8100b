"""The command `taskyard-worker`: loads handlers, announces them, and runs them until it is told to stop."""

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import structlog
import typer
from celery import Celery, signals

from taskyard import logs, schema
from taskyard.database import Cursor, Session
from taskyard.errors import HandlerLoadError, TaskyardError
from taskyard.handlers import Kind, load
from taskyard.metrics import registry, serve
from taskyard.statements import kinds as catalogue
from taskyard.statements import queues as known_queues
from taskyard_worker.app import Child, build_app, register, silence_celery
from taskyard_worker.board import Board
from taskyard_worker.builtin import MODULES
from taskyard_worker.metrics import WorkerMetrics
from taskyard_worker.requests import observed_by
from taskyard_worker.settings import WorkerSettings
from taskyard_worker.supervisor import Supervisor

log = structlog.get_logger(__name__)


def catalogue_entry(kind: Kind) -> dict[str, object]:
    """Return `kind` as the catalogue has it."""
    retry = asdict(kind.retry)
    return {
        "name": kind.name,
        "description": kind.description,
        "queue": kind.queue,
        "timeout_s": kind.timeout_s,
        "max_attempts": kind.max_attempts,
        **{f"retry_{key}": value for key, value in retry.items()},
        "payload_schema": kind.schema(),
    }


def announce(cursor: Cursor, kinds: Mapping[str, Kind], queues: Sequence[str]) -> None:
    """Write what this worker can do into the catalogue, and the queues it serves. Needs a transaction."""
    known_queues.announce(cursor, [*queues, *(kind.queue for kind in kinds.values())])
    catalogue.announce(cursor, [catalogue_entry(kind) for kind in kinds.values()])


def build(settings: WorkerSettings, kinds: Mapping[str, Kind], queues: Sequence[str]) -> Celery:
    """Build the Celery app with everything that parent and children need; nothing is started or connected yet."""
    # One slot more than children: while one is replaced, the pool has both.
    board = Board(settings.concurrency + 1)
    collectors = registry("worker")
    metrics = WorkerMetrics(collectors, kinds, settings.concurrency)
    session = Session(settings.database_url.get_secret_value(), f"taskyard-worker {settings.worker_name} supervisor")
    supervisor = Supervisor(settings, kinds, board, session, metrics, random.random)
    child = Child(settings, kinds, board)
    app = build_app(settings, queues)
    register(app, kinds, observed_by(supervisor, metrics), child)

    def parent_ready(**_: object) -> None:  # threads start after the fork of the first children, never before
        supervisor.start()
        serve(settings, collectors)
        log.info("worker runs", name=settings.worker_name, queues=queues, kinds=sorted(kinds))

    signals.worker_process_init.connect(child.begin, weak=False)
    signals.worker_ready.connect(parent_ready, weak=False)
    return app


def run() -> None:
    """Run tasks: the built-in kinds, and the handlers of the modules in TASKYARD_HANDLERS.

    Configured by the environment: DATABASE_URL, CELERY_BROKER_URL, TASKYARD_HANDLERS, TASKYARD_QUEUES,
    TASKYARD_CONCURRENCY and others, see docs/operations.md. SIGTERM ends it after what it runs.
    """
    settings = WorkerSettings()
    logs.configure(settings, "worker")
    sys.path.insert(0, "")  # handlers may lie in the current folder, as with `python -m`
    try:
        kinds = load([*MODULES, *settings.handlers])
        queues = list(settings.queues) or sorted({kind.queue for kind in kinds.values()})
        session = Session(settings.database_url.get_secret_value(), "taskyard-worker start")
        schema.wait_until_usable(session)
        with session.transaction() as cursor:
            announce(cursor, kinds, queues)
        session.close()
    except HandlerLoadError as error:
        raise SystemExit(f"taskyard-worker: {error}") from error
    except TaskyardError as error:
        raise SystemExit(f"taskyard-worker: cannot start: {error}") from error
    silence_celery()
    worker = build(settings, kinds, queues).Worker(
        hostname=f"worker@{settings.worker_name}",
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    worker.start()
    sys.exit(worker.exitcode)


def main() -> None:
    """Run the command line."""
    typer.run(run)
