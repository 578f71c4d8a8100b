"""A worker hears SIGTERM before it has loaded anything that takes time."""

import subprocess
import sys

PROGRAM = """
import os, signal, sys
from taskyard_worker import start

class EndsBeforeItLoads:
    def find_spec(self, name, path=None, target=None):
        if name in {"taskyard", "celery", "taskyard_worker.cli"}:
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError(f"{name} is loaded, and SIGTERM was not heard")

sys.meta_path.insert(0, EndsBeforeItLoads())
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as for process 1 of a container
start.main()
"""


def test_sigterm_ends_a_worker_that_has_not_loaded_anything_yet():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 128 + 15, done.stderr
