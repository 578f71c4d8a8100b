"""A real Prometheus: the one on PATH, else the distribution's, unpacked under `.dev/` without root."""

import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGTERM
from subprocess import Popen
from typing import Any

import httpx
import yaml

from taskyard.local import spawning
from taskyard.local.apt import Apt, unpacked_once
from taskyard.local.ports import LOOPBACK, Ports

REPOSITORY = Path(__file__).parents[2]
_UNPACKED = REPOSITORY / ".dev/prometheus"
_START_S = 60.0
_GRACE_S = 10.0


def program(name: str) -> Path:
    """Return `prometheus` or `promtool`, after unpacking them if need be.

    Raises:
        LocalRunError: there is none on PATH, and apt cannot bring one.
    """
    if found := shutil.which(name):
        return Path(found)
    return unpacked_once(_UNPACKED, _fill, threading.Event()) / "usr/bin" / name


def _fill(apt: Apt, root: Path) -> None:
    apt.update()
    apt.unpack(["prometheus"], root)  # needs nothing but libc


class Prometheus:
    """One server on 127.0.0.1 that scrapes `jobs`, as in `scrape_configs`, each second, and evaluates `rule_files`."""

    def __init__(self, folder: Path, jobs: Sequence[Mapping[str, Any]], rule_files: Sequence[Path]) -> None:
        self.log = folder / "prometheus.log"
        self._folder = folder
        self._url = f"http://{LOOPBACK}:{Ports(folder / 'ports.json').choose('prometheus', None)}"
        self._process: Popen[bytes] | None = None
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        whole = {"global": every, "scrape_configs": list(jobs), "rule_files": [str(file) for file in rule_files]}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(whole))

    def start(self) -> None:
        """Start it, and return when it answers.

        Raises:
            LocalRunError: it does not start; the message has the end of its log.
        """
        command = [
            program("prometheus"),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self._url.removeprefix('http://')}",
        ]
        self._process = spawning.spawn(command, environment={}, log=self.log, cwd=self._folder)
        spawning.await_ready(self._process, self._is_ready, "Prometheus", self.log, _START_S)

    def stop(self) -> None:
        """End it, and return when nothing of it is left."""
        if self._process:
            spawning.end(self._process, SIGTERM, _GRACE_S)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an expression now: samples, each with `metric` and `value`.

        Raises:
            AssertionError: Prometheus does not take the expression, or could not evaluate it.
        """
        answer = self._get("query", query=expression)
        assert answer["status"] == "success", f"{answer.get('error')}\nin {expression}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules with their `health` and `lastError`."""
        return [rule for group in self._get("rules")["data"]["groups"] for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        """Return the targets with their `health` and `lastError`."""
        found: list[dict[str, Any]] = self._get("targets")["data"]["activeTargets"]
        return found

    def names(self) -> set[str]:
        """Return the names of all series."""
        return set(self._get("label/__name__/values")["data"])

    def _get(self, call: str, **parameters: str) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self._url}/api/v1/{call}", params=parameters, timeout=30).json()
        return answer

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self._url}/-/ready", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
