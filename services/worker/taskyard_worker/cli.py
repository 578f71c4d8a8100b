"""The command `taskyard-worker`: loads handlers, announces them, and runs them until it is told to stop."""

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import structlog
import typer
from celery import Celery, signals
from prometheus_client import CollectorRegistry

from taskyard import garbage, logs, schema
from taskyard.database import Cursor, Session
from taskyard.errors import HandlerLoadError, TaskyardError
from taskyard.explaining import settings_for
from taskyard.handlers import Kind, load
from taskyard.health import Health
from taskyard.metrics import registry
from taskyard.prepared import BY_KEY
from taskyard.serving import serve
from taskyard.statements import kinds as catalogue
from taskyard.statements import queues as known_queues
from taskyard_worker.app import Child, build_app, register, silence_celery
from taskyard_worker.board import Board
from taskyard_worker.builtin import MODULES
from taskyard_worker.consumer import counted_by
from taskyard_worker.metrics import WorkerMetrics, places
from taskyard_worker.readiness import Readiness
from taskyard_worker.requests import observed_by
from taskyard_worker.run_times import RunTimes
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
        "redact": kind.redact,
    }


def announce(cursor: Cursor, kinds: Mapping[str, Kind], queues: Sequence[str]) -> None:
    """Write what this worker can do into the catalogue, and the queues it serves. Needs a transaction."""
    known_queues.announce(cursor, [*queues, *(kind.queue for kind in kinds.values())])
    catalogue.announce(cursor, [catalogue_entry(kind) for kind in kinds.values()])


@dataclass(frozen=True, slots=True)
class Shown:
    """What the parent shows of itself on its metrics port."""

    collectors: CollectorRegistry
    health: Health
    readiness: Readiness

    def watch(self, worker: object) -> None:
        """Be ready when this Celery worker takes messages."""
        readiness = self.readiness
        readiness.watch(worker)
        self.health.ready_when(
            {
                "consuming from RabbitMQ": lambda: readiness.is_consuming,
                "not draining": lambda: not readiness.is_draining,
            }
        )


def build(settings: WorkerSettings, kinds: Mapping[str, Kind], queues: Sequence[str], shown: Shown) -> Celery:
    """Build the Celery app with everything that parent and children need; nothing is started or connected yet."""
    # One slot more than children: while one is replaced, the pool has both.
    board = Board(settings.concurrency + 1)
    metrics = WorkerMetrics(shown.collectors, settings.pool, settings.concurrency, queues)
    for kind, queue in places(kinds, queues):
        metrics.attempts.expect(kind, queue)
    shown.readiness.show(metrics.capacity)
    pulse = shown.health.pulse("supervisor")
    url = settings.database_url.get_secret_value()
    session = Session(url, f"taskyard-worker {settings.worker_name} supervisor", options=BY_KEY, outside=pulse.outside)
    run_times = RunTimes()
    supervisor = Supervisor(settings, kinds, board, session, metrics, run_times=run_times, roll=random.random)
    child = Child(settings, kinds, board)
    app = build_app(settings, queues)
    app.conf.worker_consumer = counted_by(metrics)
    register(app, kinds, observed_by(supervisor, metrics, run_times), child)

    def parent_ready(**_: object) -> None:  # after the fork of the first children, never before
        supervisor.start(pulse)
        log.info("worker runs", name=settings.worker_name, queues=queues, kinds=sorted(kinds))

    def parent_stops(**_: object) -> None:
        shown.readiness.drain()
        log.info("worker takes nothing new and stops when what runs has ended")

    signals.worker_process_init.connect(child.begin, weak=False)
    signals.worker_ready.connect(parent_ready, weak=False)
    signals.worker_shutting_down.connect(parent_stops, weak=False)
    return app


def run() -> None:
    """Run tasks: the built-in kinds, and the handlers of the modules in TASKYARD_HANDLERS.

    Configured by the environment: DATABASE_URL, CELERY_BROKER_URL, TASKYARD_HANDLERS, TASKYARD_QUEUES,
    TASKYARD_CONCURRENCY and others, see docs/operations.md. SIGTERM ends it after what it runs.
    """
    settings = settings_for("taskyard-worker", WorkerSettings)
    logs.configure(settings, "worker")
    shown = Shown(registry("worker"), Health(settings.stall_s), Readiness())
    serve(settings, shown.collectors, shown.health)
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
    worker = build(settings, kinds, queues, shown).Worker(
        hostname=f"worker@{settings.worker_name}",
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    shown.watch(worker)
    garbage.keep_what_is_loaded()
    worker.start()
    sys.exit(worker.exitcode)


def main() -> None:
    """Run the command line."""
    typer.run(run)
