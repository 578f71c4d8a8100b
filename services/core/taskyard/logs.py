"""Logging of every process: one JSON line an event on servers, readable lines on a terminal.

What is bound with `structlog.contextvars` (a request's id, a task's id, kind and attempt) is on every line.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from taskyard.log_counts import COUNTS
from taskyard.redaction import NO_SECRETS, Secrets
from taskyard.settings import ProcessSettings

_hidden: Secrets = NO_SECRETS


class _CountedHandler(logging.StreamHandler[TextIO]):
    """Counts what it writes, under the lock under which it writes."""

    def emit(self, record: logging.LogRecord) -> None:
        COUNTS.add(record.levelno)
        super().emit(record)


def configure(settings: ProcessSettings, service: str) -> None:
    """Send structlog's and the standard library's records through one formatter to standard error, counted by level."""
    readable = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _rendering(service, readable=readable)
    _configure_structlog(shared)
    handler = _CountedHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, _without_secrets],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    for chatty in ("alembic", "amqp", "kombu", "celery.redirected", "httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


@contextmanager
def hiding(secrets: Secrets) -> Iterator[None]:
    """Keep `secrets` out of all that this process logs, from any thread, as long as the block runs."""
    global _hidden  # noqa: PLW0603 - a child runs one attempt at a time, and its threads log for it
    before, _hidden = _hidden, secrets
    try:
        yield
    finally:
        _hidden = before


def _rendering(service: str, *, readable: bool) -> list[Any]:
    if not readable:
        return [_service(service), structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # The other ways to show an exception show local variables with it: payloads, secrets.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def _configure_structlog(shared: list[Any]) -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _without_secrets(_logger: Any, _method: str, line: Any) -> str:
    return _hidden.scrub(str(line))


def _service(name: str) -> Any:
    def add(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event["service"] = name
        return event

    return add
