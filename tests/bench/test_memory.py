"""What is said of the memory of processes, against what they were seen to take."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from bench import memory

MB = 1_000_000
SLACK_BYTES = 3 * MB
ALONE = "taken = bytearray(b'x') * {size}"
FAMILY = """
import os, sys, time
shared = bytearray(b'x') * {shared}
for _ in range(2):
    if not os.fork():
        taken = bytearray(b'x') * {taken}
        os.write(1, b'.')
        time.sleep(60)
{then}
"""


@contextmanager
def running(script) -> Iterator[psutil.Popen]:
    """Run a script that waits when it has said a line or, in its children, a dot each."""
    words = [sys.executable, "-c", f"{script}\nprint(flush=True)\nimport time; time.sleep(60)"]
    process = psutil.Popen(words, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        family = [process, *process.children()]
        for each in family:
            each.kill()
        process.wait()
        process.stdout.close()


def size_of(script) -> int:
    with running(script) as process:
        process.stdout.readline()
        return memory.anonymous_bytes(process.pid)


def slot_size(shared, taken, then="") -> float:
    with running(FAMILY.format(shared=shared, taken=taken, then=then)) as process:
        said = b""
        while sorted(said) != sorted(b"..\n"):
            said += process.stdout.read(1)
        return memory.slot_bytes(process.pid)


def test_a_process_has_what_it_has_written():
    grown = size_of(ALONE.format(size=50 * MB)) - size_of(ALONE.format(size=1))
    assert abs(grown - 50 * MB) < SLACK_BYTES


def test_a_slot_costs_what_it_writes_and_not_what_its_parent_has():
    assert abs(slot_size(shared=40 * MB, taken=20 * MB) - 20 * MB) < SLACK_BYTES


def test_what_the_parent_writes_anew_is_a_cost_of_its_slots():
    """Then both children share what was its own before, forty for two."""
    rewritten = "shared[:] = bytes(len(shared))"
    assert abs(slot_size(shared=40 * MB, taken=1, then=rewritten) - 20 * MB) < SLACK_BYTES


def test_who_has_no_slots_has_no_mean_of_them():
    with running("") as process, pytest.raises(RuntimeError, match="has no children"):
        memory.slot_bytes(process.pid)


def test_a_look_in_between_is_taken_meanwhile():
    looked = threading.Event()
    with memory.after(0.0, lambda: looked.set() or "seen") as look:
        assert looked.wait(10)
    assert look.result() == "seen"


def test_a_look_that_would_come_too_late_is_taken_at_the_end():
    with memory.after(3600.0, lambda: "seen") as look:
        assert not look.done()
    assert look.result() == "seen"
