"""Taskyard: declare handlers here, submit tasks over REST, see what happened to them in PostgreSQL."""

from taskyard.context import Context, Discard, Interrupted, Retry, TaskCancelled, TaskTimedOut
from taskyard.handlers import task
from taskyard.retry import RetryPolicy

__all__ = ["Context", "Discard", "Interrupted", "Retry", "RetryPolicy", "TaskCancelled", "TaskTimedOut", "task"]
