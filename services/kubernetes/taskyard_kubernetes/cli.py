"""The command `taskyard-kubernetes`: what runs beside Taskyard in a cluster, and may talk to its API server."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer
from pydantic import ValidationError

from taskyard import logs, schema
from taskyard.database import Session
from taskyard.errors import TaskyardError
from taskyard.explaining import settings_for
from taskyard.health import Health
from taskyard.metrics import registry
from taskyard.serving import serve
from taskyard_kubernetes import secrets_spec
from taskyard_kubernetes.api_server import api_server, own_namespace
from taskyard_kubernetes.guard import Guard
from taskyard_kubernetes.make_secrets import make_all
from taskyard_kubernetes.metrics import GuardMetrics
from taskyard_kubernetes.settings import ClusterSettings, GuardSettings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)

log = structlog.get_logger(__name__)


@app.callback()
def taskyard_kubernetes() -> None:
    """What Taskyard asks of Kubernetes."""


@app.command()
def guard() -> None:
    """Have a scale-in take idle workers first, by the deletion costs of their pods.

    Configured by the environment: DATABASE_URL, TASKYARD_GUARD_SELECTOR, TASKYARD_GUARD_NAMESPACE and others, see
    docs/operations.md. One is enough; more do no harm.
    """
    settings = settings_for("taskyard-kubernetes guard", GuardSettings)
    logs.configure(settings, "guard")
    collectors, health, stop = registry("guard"), Health(settings.stall_s), threading.Event()
    serve(settings, collectors, health)
    pulse = health.pulse("guard", settings.guard_poll_s)
    url = settings.database_url.get_secret_value()
    with _explaining("guard"):
        schema.wait_until_usable(Session(url, "taskyard-guard start"))
        server, namespace = api_server(settings.kubernetes_url), own_namespace(settings.guard_namespace)
    session = Session(url, "taskyard-guard", outside=pulse.outside)
    made = Guard(settings, namespace, session, server, GuardMetrics(collectors), pulse)
    health.ready_when({"costs up to date": lambda: made.works, "not stopping": lambda: not stop.is_set()})
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("guard runs", namespace=namespace, selector=settings.guard_selector)
    made.run(stop)


@app.command()
def make_secrets(
    file: Annotated[
        Path, typer.Argument(help="JSON: a list of {name, labels, keys: {key: {length} or {value}}, type}.")
    ],
    wait_s: Annotated[float, typer.Option(min=0.0, help="Seconds to wait for the API server.")] = 120.0,
) -> None:
    """Create the Secrets that do not exist, and add the keys that are missing; nothing that is there is changed."""
    settings = settings_for("taskyard-kubernetes make-secrets", ClusterSettings)
    with _explaining("make-secrets"):
        specs = secrets_spec.read(file.read_bytes())
        server, namespace = api_server(settings.kubernetes_url), own_namespace(settings.guard_namespace)
        for line in make_all(server, namespace, specs, wait_s):
            typer.echo(line)


@contextmanager
def _explaining(what: str) -> Iterator[None]:
    """Say in one line what went wrong, and end with status 1."""
    try:
        yield
    except (TaskyardError, ValidationError, OSError) as error:
        typer.echo(f"taskyard-kubernetes {what}: {error}", err=True)
        raise typer.Exit(1) from error


def main() -> None:
    """Run the command line."""
    app()
