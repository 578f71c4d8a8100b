"""A minute of everything that can happen, to an installation of the test's own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from taskyard.verify.faults import clock

pytestmark = pytest.mark.e2e


def left_behind(directory: Path) -> list[psutil.Process]:
    """Return the processes of a run of the harness in `directory`."""
    found = []
    for process in psutil.process_iter():
        try:
            if (
                process.environ().get(clock.FILE, "").startswith(str(directory))
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.timeout(900)
def test_a_minute_of_faults_loses_nothing_and_leaves_nothing(tmp_path):
    (ROOT / ".dev" / "server").mkdir(parents=True, exist_ok=True)
    (tmp_path / "server").symlink_to(ROOT / ".dev" / "server")  # RabbitMQ is unpacked once for all
    done = subprocess.run(
        [
            *(Path(sys.executable).parent / "taskyard", "verify", "--faults", "local", "--directory", tmp_path),
            *("--seed", "5", "--duration-s", "60", "--tasks", "600", "--faults-at-least", "20"),
        ],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"seed +5$", done.stdout, re.MULTILINE)
    assert done.stdout.splitlines()[-1] == "verdict: every promise was kept"
    assert left_behind(tmp_path) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def test_a_fault_that_does_not_exist_is_refused():
    command = [Path(sys.executable).parent / "taskyard", "verify", "--faults", "local", "--only", "rabbit"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no fault rabbit" in done.stdout
