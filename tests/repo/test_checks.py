"""What `make check` asks beside the linters finds what it is for, and a machine without a network is no fault."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLANTED = {
    "key.pem": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\n",
    "settings.py": 'AWS_KEY = "AKIA' + 'Z7QXRT5KLMNPWV3B"\n',
    "values.yaml": "database:\n  password: bY7kQ2vR9x\n",
    "url.py": 'URL = "amqp://shop:bY7kQ2vR9x@broker.internal:5672/"\n',
}


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "deploy/checks" / program, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_secret_is_found(tmp_path):
    for name, text in PLANTED.items():
        (tmp_path / name).write_text(text)
    done = run("find_secrets.py", *(str(tmp_path / name) for name in PLANTED))
    assert done.returncode == 1
    assert [name for name in PLANTED if f"/{name}:" not in done.stderr] == []


def test_text_without_a_secret_is_let_pass(tmp_path):
    (tmp_path / "plain.py").write_text('NAME = "taskyard"\n')
    assert run("find_secrets.py", str(tmp_path / "plain.py")).returncode == 0


def test_advisories_that_cannot_be_asked_for_are_said_to_be_missing_and_fail_nothing():
    done = run("audit_locks.py", HTTPS_PROXY="http://127.0.0.1:1", https_proxy="http://127.0.0.1:1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "NOT AUDITED" in done.stdout


def test_a_known_weakness_is_named_with_the_version_that_mends_it():
    weaknesses = runpy.run_path(str(ROOT / "deploy/checks/audit_locks.py"))["weaknesses"]
    sound = {"name": "a", "version": "1", "vulns": []}
    weak = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}
    open_ = {"name": "c", "version": "3", "vulns": [{"id": "CVE-2", "fix_versions": []}]}
    assert weaknesses([sound, weak, open_]) == [
        "b 2: CVE-1, mended in 2.1",
        "c 3: CVE-2, mended in no version yet",
    ]
