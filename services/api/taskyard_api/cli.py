"""The command `taskyard-api`: serves the API until it is told to stop, and then answers what it accepted."""

import structlog
import typer
import uvicorn

from taskyard import logs
from taskyard.metrics import registry
from taskyard.serving import serve
from taskyard_api.app import create_app
from taskyard_api.leaving import LeavingServer
from taskyard_api.settings import ApiSettings

log = structlog.get_logger(__name__)


def run() -> None:
    """Serve the API.

    It starts without the database, too, and answers 503 until it is there. Configured by the environment:
    DATABASE_URL, TASKYARD_API_HOST, TASKYARD_API_PORT and others, see docs/operations.md.
    """
    settings = ApiSettings()
    logs.configure(settings, "api")
    collectors = registry("api")
    app = create_app(settings, collectors)
    serve(settings, collectors)
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=settings.api_shutdown_s,
        timeout_keep_alive=75,
        backlog=4096,
    )
    log.info("api runs", host=settings.api_host, port=settings.api_port)
    LeavingServer(config, app.state.leaving, settings.api_drain_s, app.state.parts.watcher.release).run()


def main() -> None:
    """Run the command line."""
    typer.run(run)
