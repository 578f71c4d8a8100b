"""uvicorn as Taskyard's API runs it: uvloop and httptools, one process, no access log."""

from fastapi import FastAPI
from uvicorn import Config, Server


def serve(app: FastAPI, port: int) -> None:
    """Serve `app` on `port` of 127.0.0.1 until SIGTERM."""
    config = Config(
        app,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=75,
        backlog=4096,
    )
    Server(config).run()
