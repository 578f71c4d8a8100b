"""Handlers that do what handlers should not: loaded by the workers of the fault harness, and by no others."""

import gc
import os
import time
from contextlib import suppress
from typing import Final

import psycopg2.extensions
from pydantic import BaseModel

from taskyard import Context, RetryPolicy, task

_SOON: Final = RetryPolicy(first_s=0.2, longest_s=2.0)
_LIMIT_S: Final = 40.0
_PIECE_BYTES: Final = 16 * 1024 * 1024
_LEAST_PIECES: Final = 64
"""A gigabyte: far above the limit of the harness's workers, and an end where that limit should fail."""


class Stubborn(BaseModel):
    """How long to ignore everything."""

    seconds: float


@task("fault.stubborn", retry=_SOON, max_attempts=50, timeout_s=_LIMIT_S)
def stubborn(_ctx: Context, payload: Stubborn) -> str:
    """Go on for some seconds, whatever is raised to interrupt that."""
    ends = time.monotonic() + payload.seconds
    while time.monotonic() < ends:
        with suppress(BaseException):
            time.sleep(0.1)
    return "went on"


@task("fault.leak", retry=_SOON, max_attempts=50, timeout_s=_LIMIT_S)
def leak(ctx: Context) -> int:
    """Take memory and give none back, in the first attempt until the worker ends it."""
    hoard: list[bytearray] = []
    while ctx.attempt == 1 and len(hoard) < _LEAST_PIECES:
        hoard.append(bytearray(_PIECE_BYTES))
        time.sleep(0.01)
    return len(hoard)


@task("fault.fork", retry=_SOON, max_attempts=50, timeout_s=_LIMIT_S)
def fork(_ctx: Context) -> str:
    """Leave a process behind that lives on for a while, holding all that the child had open."""
    if os.fork() == 0:
        time.sleep(3.0)
        os._exit(0)
    return "forked"


@task("fault.strayfork", retry=_SOON, max_attempts=50, timeout_s=_LIMIT_S)
def stray_fork(_ctx: Context) -> str:
    """Fork, and return in both processes."""
    return "parent" if os.fork() else "child"


@task("fault.close", retry=_SOON, max_attempts=50, timeout_s=_LIMIT_S)
def close(_ctx: Context) -> int:
    """Close every connection to PostgreSQL that this process opened."""
    # By its exact type: to ask Celery's proxies what they are instances of makes them do things.
    connections = [found for found in gc.get_objects() if type(found) is psycopg2.extensions.connection]
    # What the parent had open at the fork is there too; its locks may be held by threads that are not.
    own = [connection for connection in connections if "supervisor" not in connection.dsn]
    for connection in own:
        connection.close()
    return len(own)
