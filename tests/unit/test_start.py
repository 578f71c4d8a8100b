"""Every command hears SIGTERM before it has loaded anything that takes time."""

import subprocess
import sys
import tomllib

import pytest

from conftest import ROOT

COMMANDS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

PROGRAM = """
import importlib, os, signal, sys
module, function = sys.argv.pop().split(":")

class EndsBeforeItLoads:
    ours = {"taskyard", "taskyard.leaving", module, module.partition(".")[0]}
    def find_spec(self, name, path=None, target=None):
        if name not in self.ours and name.partition(".")[0] not in sys.stdlib_module_names:
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError(f"{name} is loaded, and SIGTERM was not heard")

sys.meta_path.insert(0, EndsBeforeItLoads())
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as for process 1 of a container
getattr(importlib.import_module(module), function)()
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_sigterm_ends_a_command_that_has_not_loaded_anything_yet(command):
    words = [sys.executable, "-c", PROGRAM, COMMANDS[command]]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 128 + 15, done.stderr
