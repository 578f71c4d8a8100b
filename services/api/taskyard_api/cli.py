"""The command `taskyard-api`: serves the API until it is told to stop, and then answers what it accepted."""

from typing import Final

import structlog
import typer

from taskyard import garbage, logs
from taskyard.explaining import settings_for
from taskyard.listening import is_loopback
from taskyard.metrics import registry
from taskyard.serving import serve
from taskyard_api.app import create_app
from taskyard_api.connections import server_config
from taskyard_api.leaving import LeavingServer
from taskyard_api.settings import ApiSettings

log = structlog.get_logger(__name__)


_OPEN_TO_ALL: Final = """taskyard-api: with TASKYARD_AUTH=none whoever reaches {host} may do everything.
Use keys (TASKYARD_AUTH=keys, and `taskyard keys create`), or listen on 127.0.0.1 (TASKYARD_API_HOST), or, where
something else keeps strangers out, say so by TASKYARD_AUTH_NONE_ANYWHERE=true."""


def run() -> None:
    """Serve the API.

    It starts without the database, too, and answers 503 until it is there. It refuses to listen where others than this
    machine reach it without asking for keys, unless it is told to. Configured by the environment:
    DATABASE_URL, TASKYARD_API_HOST, TASKYARD_API_PORT and others, see docs/operations.md.
    """
    settings = settings_for("taskyard-api", ApiSettings)
    if settings.auth == "none" and not settings.auth_none_anywhere and not is_loopback(settings.api_host):
        typer.echo(_OPEN_TO_ALL.format(host=settings.api_host), err=True)
        raise typer.Exit(2)
    logs.configure(settings, "api")
    collectors = registry("api")
    app = create_app(settings, collectors)
    serve(settings, collectors)
    config = server_config(app, settings, app.state.parts.metrics.connections)
    garbage.keep_what_is_loaded()
    log.info("api runs", host=settings.api_host, port=settings.api_port)
    LeavingServer(config, app.state.leaving, settings.api_drain_s, app.state.parts.watcher.release).run()


def main() -> None:
    """Run the command line."""
    typer.run(run)
