"""Handlers that misbehave on purpose, and one that leaves a trace of each of its runs."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from taskyard import Context, Discard, Retry, RetryPolicy, TaskCancelled, task

AT_ONCE = RetryPolicy(first_s=0.05, longest_s=0.1)


class Traced(BaseModel):
    """Where to leave a trace, how long to take, and whether to die then."""

    file: str
    seconds: float = 0.0
    dies: bool = False


def _trace(file: str, word: str) -> None:
    """Append a line in one write, so that those of several processes do not mix."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{word}\n".encode())
    os.close(descriptor)


@task("test.traced", timeout_s=120)
def traced(ctx: Context, payload: Traced) -> str:
    _trace(payload.file, f"start {ctx.id}.{ctx.attempt}")
    time.sleep(payload.seconds)
    if payload.dies:
        os.kill(os.getpid(), signal.SIGKILL)
    _trace(payload.file, f"end {ctx.id}.{ctx.attempt}")
    return ctx.idempotency_key


class Flaky(BaseModel):
    """Succeeds at the attempt `good`."""

    good: int
    how: str = "raise"


@task("test.flaky", retry=AT_ONCE)
def flaky(ctx: Context, payload: Flaky) -> int:
    if ctx.attempt < payload.good:
        if payload.how == "retry":
            raise Retry("not yet", after_s=0.1)
        raise ValueError(f"attempt {ctx.attempt} of {payload.good}")
    return ctx.attempt


@task("test.discard")
def discard(ctx: Context) -> None:
    raise Discard("no use")


class Death(BaseModel):
    """How a process ends itself."""

    how: str


@task("test.die")
def die(ctx: Context, payload: Death) -> None:
    match payload.how:
        case "os._exit":
            os._exit(7)
        case "sigkill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sys.exit":
            sys.exit(3)
        case "memory":
            hoard = []
            while True:
                hoard.append(bytearray(16 * 1024 * 1024))
                time.sleep(0.01)


class Stubborn(BaseModel):
    """What to ignore, for how long."""

    seconds: float
    file: str = ""


@task("test.stubborn", timeout_s=60, retry=AT_ONCE)
def stubborn(ctx: Context, payload: Stubborn) -> None:
    ends = time.monotonic() + payload.seconds
    while time.monotonic() < ends:
        with suppress(BaseException):
            time.sleep(0.1)


@task("test.polite", timeout_s=60)
def polite(ctx: Context, payload: Traced) -> None:
    try:
        time.sleep(payload.seconds)
    except TaskCancelled:
        _trace(payload.file, "cleaned up")
        raise


@task("test.async", timeout_s=60)
async def asynchronous(ctx: Context, payload: Traced) -> str:
    try:
        await asyncio.sleep(payload.seconds)
    except asyncio.CancelledError:
        _trace(payload.file, "cleaned up")
        raise
    return "slept"


@task("test.progress")
def progress(ctx: Context, payload: Traced) -> None:
    ctx.progress(0.5, "half way")
    time.sleep(payload.seconds)


class Returned(BaseModel):
    """What to return."""

    what: str


@task("test.returns")
def returns(ctx: Context, payload: Returned) -> Any:
    match payload.what:
        case "large":
            return "x" * (1024 * 1024 + 1)
        case "nan":
            return float("nan")
        case "object":
            return object()
        case "nul":
            return "a\x00b"
        case "model":
            return payload
        case _:
            return payload.what


class ShoutingError(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@task("test.unspeakable", max_attempts=1)
def unspeakable(ctx: Context) -> None:
    raise ShoutingError


@task("test.stray")
def stray(ctx: Context) -> int:
    """Fork, and come back in both processes."""
    return os.fork()


@task("test.elsewhere", queue="elsewhere")
def elsewhere(ctx: Context) -> str:
    return "done"


@task("test.deadline", timeout_s=60)
def deadline(ctx: Context) -> float:
    return (ctx.deadline - datetime.now(UTC)).total_seconds()
