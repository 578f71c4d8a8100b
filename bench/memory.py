"""How much memory processes take, as the kernel counts it. Linux only."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")
_UNIT_BYTES = 1024


def anonymous_bytes(pid: int) -> int:
    """Return the bytes that the process has written, rather than read from program files; with what children share."""
    return _counted(pid)["Anonymous"]


def slot_bytes(parent: int) -> float:
    """Return what one child of `parent` adds to it, on average.

    A forked child shares memory with its parent until either writes there, and with its siblings what the parent has
    written since. So all memory of the family is counted, each page once, and what the parent has is taken off. Program
    files are left out: all have the same.

    Raises:
        RuntimeError: it has no children.
    """
    children = [child.pid for child in psutil.Process(parent).children()]
    if not children:
        raise RuntimeError(f"process {parent} has no children")
    family = sum(_counted(pid)["Pss_Anon"] for pid in (parent, *children))
    return (family - anonymous_bytes(parent)) / len(children)


@contextmanager
def after(seconds: float, look: Callable[[], T]) -> Iterator[Future[T]]:
    """Have a thread `look` so long after the start of the block, or at its end; its result is there after the block."""
    over = threading.Event()

    def wait_and_look() -> T:
        over.wait(seconds)
        return look()

    with ThreadPoolExecutor(1) as threads:
        try:
            yield threads.submit(wait_and_look)
        finally:
            over.set()


def _counted(pid: int) -> dict[str, int]:
    """Return what the kernel says of the process, in bytes."""
    counted: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, amount, _ = line.split()
        counted[name.rstrip(":")] = int(amount) * _UNIT_BYTES
    return counted
