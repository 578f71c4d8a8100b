"""Taskyard: declare handlers here, submit tasks over REST, see what happened to them in PostgreSQL."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taskyard.context import Context, Discard, Interrupted, Retry, TaskCancelled, TaskTimedOut
    from taskyard.handlers import task
    from taskyard.retry import RetryPolicy

__all__ = ["Context", "Discard", "Interrupted", "Retry", "RetryPolicy", "TaskCancelled", "TaskTimedOut", "task"]


def __getattr__(name: str) -> object:
    """Load what is asked for, and only then: each command imports this package before it can hear a signal.

    Raises:
        AttributeError: there is no such name.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = {"task": "handlers", "RetryPolicy": "retry"}
    found: object = getattr(import_module(f"{__name__}.{homes.get(name, 'context')}"), name)
    globals()[name] = found
    return found
