"""Programs that run in the cluster, as a pod each, and reach the API by its Service as any client there does.

A program is a file of `programs/`: it gets arguments and, in TASKYARD_KEY, the first key of the API; it may read a text
of the test's, ends by itself or once `/tmp/stop` is there, and its last line is its result, as JSON.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8s.cluster import FIRST_KEY, Cluster, CommandError
from waiting import eventually

PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Program:
    """One that was started."""

    cluster: Cluster
    name: str

    def stop(self) -> None:
        """Ask it to come to its end."""
        self.cluster.kubectl("exec", self.name, "--", "touch", "/tmp/stop")

    def lines(self) -> list[str]:
        """Return what it has written so far."""
        return self.cluster.kubectl("logs", self.name, "--tail=-1").splitlines()

    def result(self, deadline_s: float) -> Any:
        """Wait for its end and return its result, then remove its pod. Raises AssertionError where it failed."""
        phase = eventually(
            lambda: (phase := self._phase()) in {"Succeeded", "Failed"} and phase,
            f"the end of {self.name}", deadline_s, every_s=2,
        )  # fmt: skip
        lines = self.lines()
        assert phase == "Succeeded", "\n".join(lines[-30:])
        self.remove()
        return json.loads(lines[-1])

    def remove(self) -> None:
        """Remove its pod and what it was given."""
        self.cluster.kubectl("delete", "pod,configmap", self.name, "--ignore-not-found", "--grace-period=1")

    def _phase(self) -> str:
        return str(self.cluster.get("pod", self.name)["status"]["phase"])


def start(cluster: Cluster, program: str, *arguments: object, image: str, text: str = "") -> Program:
    """Start `programs/<program>.py` and return once it runs. The image must have Python and httpx."""
    started = Program(cluster, program.replace("_", "-"))
    started.remove()
    source = (PROGRAMS / f"{program}.py").read_text(encoding="utf-8")
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": started.name},
            "data": {"program.py": source, "text": text},
        },
        _pod(started.name, image, [str(argument) for argument in arguments]),
    )
    try:
        eventually(lambda: started._phase() != "Pending", f"{started.name} runs", 120, every_s=1)
    except AssertionError as error:
        raise CommandError(cluster.kubectl("describe", "pod", started.name)) from error
    return started


def _pod(name: str, image: str, arguments: list[str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "program",
                    "image": image,
                    "command": ["python", "-u", "/given/program.py", *arguments],
                    "env": [{"name": "TASKYARD_KEY", "valueFrom": {"secretKeyRef": FIRST_KEY}}],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [
                        {"name": "given", "mountPath": "/given", "readOnly": True},
                        {"name": "tmp", "mountPath": "/tmp"},
                    ],
                }
            ],
            "volumes": [{"name": "given", "configMap": {"name": name}}, {"name": "tmp", "emptyDir": {}}],
        },
    }
