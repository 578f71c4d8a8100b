"""Taskyard in the cluster as an operator handles it: by Helm."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8s.api import Api
from k8s.cluster import Cluster, command

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/taskyard"
READY_IN_S = 900
REGISTRY = os.environ.get("TASKYARD_REGISTRY", "")


def image(part: str, tag: str) -> str:
    """Return the name of a part's image in the cluster, wherever deploy/kind/images has put it."""
    return f"{REGISTRY}/taskyard-{part}:{tag}" if REGISTRY else f"taskyard-{part}:{tag}"


@dataclass(frozen=True)
class Release:
    """A release of the chart with the preset `dev`; the tests' own values come on top."""

    cluster: Cluster
    api: Api
    tag: str
    name: str = "taskyard"
    settings: tuple[str, ...] = ()

    def helm(self, *words: str, deadline_s: float = READY_IN_S + 60) -> str:
        """Run helm in the namespace; raises CommandError."""
        return command("helm", "--namespace", self.cluster.namespace, *words, deadline_s=deadline_s)

    def install(self, values: Mapping[str, Any] | None = None) -> float:
        """Install it, or bring it to these values, and wait until it is ready. Returns the seconds that it took."""
        began = time.monotonic()
        self.helm("upgrade", "--install", self.name, str(CHART), *self._values(values, self.tag), *_WAIT)
        return time.monotonic() - began

    def upgrade(self, values: Mapping[str, Any] | None, tag: str) -> float:
        """Upgrade it to another tag and these values, and wait. Returns the seconds that it took."""
        began = time.monotonic()
        self.helm("upgrade", self.name, str(CHART), *self._values(values, tag), *_WAIT)
        return time.monotonic() - began

    def roll_back(self) -> float:
        """Go back to the revision before, and wait. Returns the seconds that it took."""
        began = time.monotonic()
        self.helm("rollback", self.name, *_WAIT)
        return time.monotonic() - began

    def uninstall(self) -> str:
        """Uninstall it and wait. Returns what Helm says of it."""
        self.api.close()
        return self.helm("uninstall", self.name, "--wait", "--timeout", f"{READY_IN_S}s")

    def _values(self, values: Mapping[str, Any] | None, tag: str) -> list[str]:
        words = ["--values", str(CHART / "values/dev.yaml"), "--set", f"image.tag={tag},image.registry={REGISTRY}"]
        for place, value in (values or {}).items():
            words += ["--set-json", f"{place}={json.dumps(value)}"]
        return words + [word for setting in self.settings for word in ("--set", setting)]


_WAIT = ("--wait", "--timeout", f"{READY_IN_S}s")
