"""A command with a wrong setting says which one, without its value, and what is expected."""

import os
import subprocess

import pytest

from conftest import ROOT

BIN = ROOT / ".venv" / "bin"
URL = "postgresql://me:hunter/2@127.0.0.1/db"
COMMANDS = (
    ("taskyard", "migrate"),
    ("taskyard", "wait-for-schema"),
    ("taskyard-api",),
    ("taskyard-dispatcher",),
    ("taskyard-worker",),
    ("taskyard-kubernetes", "guard"),
)


def run(words, **variables):
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    words = [BIN / words[0], *words[1:]]
    return subprocess.run(words, env=kept | variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_setting_that_is_wrong_has_its_line(words):
    ran = run(words, DATABASE_URL=URL, CELERY_BROKER_URL="amqp://", TASKYARD_LOG_LEVEL="loud")
    lines = ran.stderr.splitlines()
    assert (ran.returncode, len(lines)) == (1, 2)
    assert lines[0].startswith(f"{' '.join(words)}: TASKYARD_LOG_LEVEL: Input should be 'debug', 'info'")
    assert lines[1].startswith(f"{' '.join(words)}: DATABASE_URL: ")
    assert "postgresql://user:password@host:5432/database" in lines[1]
    assert "hunter" not in ran.stderr


def test_what_is_needed_is_named():
    assert run(("taskyard-flower",)).stderr == "taskyard-flower: CELERY_BROKER_URL: Field required\n"
