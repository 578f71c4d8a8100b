"""Handlers whose outcome is as bad as it can be: each `how` of the kind `test.ends` is one."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel, field_validator, model_serializer

from taskyard import Context, Retry, task

HUNDRED_MEBIBYTES = 100 * 1024 * 1024
ENDINGS: dict[str, Callable[[Context], Any]] = {}


def ending(function: Callable[[Context], Any]) -> Callable[[Context], Any]:
    """Let `test.ends` end like this."""
    ENDINGS[function.__name__] = function
    return function


class Ending(BaseModel):
    """How to end."""

    how: str


@task("test.ends", max_attempts=1, timeout_s=60)
def ends(ctx: Context, ending: Ending) -> Any:
    return ENDINGS[ending.how](ctx)


@task("test.ends.async", max_attempts=1)
async def ends_async(ctx: Context, ending: Ending) -> Any:
    await asyncio.sleep(0)
    return ENDINGS[ending.how](ctx)


class Checked(BaseModel):
    """A payload whose own check misbehaves."""

    how: str

    @field_validator("how")
    @classmethod
    def misbehave(cls, how: str) -> str:
        """Do what is asked."""
        if how == "exit":
            sys.exit(3)
        if how == "for ever":
            while True:
                time.sleep(0.01)
        raise LookupError(how)


@task("test.checked", max_attempts=1, timeout_s=1)
def checked(ctx: Context, payload: Checked) -> None:
    return


def returned(name: str, make: Callable[[], Any]) -> None:
    """Let `test.ends` return what `make` makes."""
    ENDINGS[name] = lambda _: make()


def raised(name: str, make: Callable[[], BaseException]) -> None:
    """Let `test.ends` raise what `make` makes."""

    def end(_: Context) -> None:
        raise make()

    ENDINGS[name] = end


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def _cyclic_list() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def _cyclic_members() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["again"] = {"and": value}
    return value


class Unwritable(BaseModel):
    """A result whose own writing misbehaves."""

    how: str

    @model_serializer
    def misbehave(self) -> str:
        """Do what is asked."""
        if self.how == "exit":
            sys.exit(3)
        while self.how == "for ever":
            time.sleep(0.01)
        raise LookupError(self.how)


class Silent:
    """No text of it can be had."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


def _endless() -> Iterator[int]:
    number = 0
    while True:
        yield (number := number + 1)


async def _asynchronous() -> Any:
    yield 1


returned("object", object)
returned("silent object", Silent)
returned("type", lambda: int)
returned("function", lambda: returned)
returned("nan", lambda: float("nan"))
returned("infinity", lambda: {"a": [float("-inf")]})
returned("bytes", lambda: b"\xff\xfe")
returned("100 MiB of text", lambda: "x" * HUNDRED_MEBIBYTES)
returned("100 MiB of text beyond ASCII", lambda: "é" * (HUNDRED_MEBIBYTES // 2))
returned("100 MiB of numbers", lambda: [12345678] * (HUNDRED_MEBIBYTES // 9))
returned("100 MiB of bytes", lambda: b"x" * HUNDRED_MEBIBYTES)
returned("deep", lambda: _nested(100))
returned("very deep", lambda: _nested(100_000))
returned("cyclic list", _cyclic_list)
returned("cyclic members", _cyclic_members)
returned("surrogate", lambda: ["\ud800"])
returned("surrogate as a name", lambda: {"\ud800": 1})
returned("nul", lambda: {"a": "b\x00c"})
returned("nul as a name", lambda: {"\x00": 1})
returned("large number", lambda: 2**64)
returned("very large number", lambda: 10**5000)
returned("endless generator", _endless)
returned("endless generator inside", lambda: {"a": _endless()})
returned("async generator", _asynchronous)
returned("writing raises", lambda: Unwritable(how="raise"))
returned("writing exits", lambda: Unwritable(how="exit"))
returned("writing for ever", lambda: Unwritable(how="for ever"))


class BadTextError(Exception):
    """Its text misbehaves."""

    def __init__(self, how: str) -> None:
        super().__init__(Silent())
        self.how = how

    def __str__(self) -> str:
        match self.how:
            case "raise":
                raise RuntimeError("no text")
            case "exit":
                sys.exit(3)
            case "number":
                return 7  # noqa: PLE0307 - the point
            case "for ever":
                while True:
                    time.sleep(0.01)
            case "recursion":
                return str(self)
        return self.how

    __repr__ = __str__


class LiarError(Exception):
    """Says that it is of a class that it is not of, and raises when it is asked."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("nobody")


def _named(name: Any) -> BaseException:
    made = type("Named", (Exception,), {})
    made.__qualname__ = name
    return made("a")


def _grouped(depth: int) -> BaseException:
    error: Exception = ValueError("innermost")
    for _ in range(depth):
        error = ExceptionGroup("one inside another", [error])
    return error


def _chained(length: int) -> BaseException:
    error: BaseException = ValueError("first")
    for number in range(length):
        following = ValueError(str(number))
        following.__cause__, error = error, following
    return error


def _delayed(after_s: Any) -> BaseException:
    error = Retry("later")
    error.after_s = after_s
    return error


for _how in ("raise", "exit", "number", "for ever", "recursion"):
    raised(f"text: {_how}", lambda how=_how: BadTextError(how))
raised("silent arguments", lambda: ValueError(Silent()))
raised("liar", LiarError)
raised("nul in its text", lambda: ValueError("a\x00b"))
raised("surrogate in its text", lambda: ValueError("a\ud800b"))
raised("100 MiB in its text", lambda: ValueError("x" * HUNDRED_MEBIBYTES))
raised("nul in its name", lambda: _named("a\x00b"))
raised("surrogate in its name", lambda: _named("a\ud800b"))
raised("huge name", lambda: _named("a" * 1_000_000))
raised("many in a group", lambda: ExceptionGroup("many", [ValueError(str(number)) for number in range(10_000)]))
raised("groups in groups", lambda: _grouped(5_000))
raised("bases in a group", lambda: BaseExceptionGroup("bases", [KeyboardInterrupt(), SystemExit(1), ValueError("a")]))
raised("long chain", lambda: _chained(10_000))
raised("delay that is no number", lambda: _delayed("soon"))
raised("delay that is NaN", lambda: _delayed(float("nan")))
raised("delay past all calendars", lambda: _delayed(1e300))
raised("a wait of ages", lambda: Retry("later", after_s=1e300))
for _type in (
    *(BaseException, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, StopAsyncIteration),
    *(MemoryError, RecursionError, asyncio.CancelledError, Exception, OSError, UnicodeError),
):
    raised(_type.__name__, _type)


@ending
def recursion(ctx: Context) -> Any:
    return recursion(ctx)


@ending
def exits_at_once(_ctx: Context) -> None:
    os._exit(7)


@ending
def kills_itself(_ctx: Context) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@ending
def aborts(_ctx: Context) -> None:
    os.abort()


@ending
def closes_every_file(_ctx: Context) -> None:
    os.closerange(3, 4096)


@ending
def takes_the_signals(_ctx: Context) -> None:
    for number in (signal.SIGALRM, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(0.1)


@ending
def notes_that_cannot_be_stored(ctx: Context) -> None:
    ctx.progress(0.5, "a\x00b\ud800c")
    time.sleep(2)
    raise ValueError("noted")
