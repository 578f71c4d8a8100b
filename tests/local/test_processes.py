"""The supervisor's promise: what dies comes back, and nothing is left behind."""

import os
import queue
import subprocess
import sys
import threading
import time

import psutil
import pytest

from taskyard.local.errors import LocalRunError
from taskyard.local.processes import Command, Supervisor

DEADLINE_S = 10


def until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def said():
    return queue.Queue()


@pytest.fixture
def supervisor(said):
    started = Supervisor(said.put, first_pause_s=0.05)
    yield started
    started.kill()


def command(tmp_path, script, **options):
    return Command(
        "part", ["/bin/sh", "-c", script], environment=dict(os.environ), log=tmp_path / "part.log", **options
    )


def test_a_part_that_dies_is_started_again_and_that_is_said(supervisor, said, tmp_path):
    part = command(tmp_path, "exec sleep 1000")
    supervisor.start(part)
    first = part.pid

    os.kill(first, 9)

    assert "part died (SIGKILL)" in said.get(timeout=DEADLINE_S)
    assert said.get(timeout=DEADLINE_S) == "part runs again"
    assert part.pid != first
    assert alive(part.pid)


def test_stop_ends_a_part_and_all_that_it_started(supervisor, said, tmp_path):
    part = command(tmp_path, "sleep 1000 & echo $! > child; exec sleep 1000".replace("child", str(tmp_path / "child")))
    supervisor.start(part)
    until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip())
    child = int((tmp_path / "child").read_text())

    supervisor.stop()

    assert not alive(part.pid)
    assert not alive(child)
    assert said.empty()


def test_a_part_that_ignores_the_request_to_stop_is_killed_after_its_grace(supervisor, tmp_path):
    marker = tmp_path / "deaf"
    part = command(tmp_path, f"trap '' TERM; touch {marker}; while :; do sleep 1000; done", grace_s=0.2)
    supervisor.start(part)
    until(marker.exists)

    supervisor.stop()

    assert not alive(part.pid)


def test_a_part_that_cannot_start_is_an_error_with_the_end_of_its_log(supervisor, tmp_path):
    with pytest.raises(LocalRunError, match="no such luck"):
        supervisor.start(command(tmp_path, "echo no such luck; exit 3", ready=lambda: False))


def test_stop_is_not_held_up_by_a_part_that_is_just_starting(supervisor, said, tmp_path):
    ready = threading.Event()
    part = command(tmp_path, "exec sleep 1000", ready=ready.is_set)

    def start():
        with pytest.raises(LocalRunError):
            supervisor.start(part)

    starting = threading.Thread(target=start, daemon=True)
    starting.start()
    until(lambda: part.pid is not None)

    supervisor.stop()
    starting.join(DEADLINE_S)

    assert not starting.is_alive()
    assert not alive(part.pid)


SUPERVISING = """
import os, sys
from pathlib import Path
from taskyard.local.processes import Command, Supervisor
part = Command("part", ["sleep", "1000"], environment=dict(os.environ), log=Path(sys.argv[1]))
Supervisor(print).start(part)
print(part.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
def test_a_killed_supervisor_takes_its_parts_along(tmp_path):
    arguments = [sys.executable, "-c", SUPERVISING, str(tmp_path / "log")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as supervising:
        part = int(supervising.stdout.readline())
        assert alive(part)
        supervising.kill()
        until(lambda: not alive(part))
