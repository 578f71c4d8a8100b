"""What the tests see of a cluster: kubectl, and pods as the few facts that matter here."""

import json
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BUSY_COST = "controller.kubernetes.io/pod-deletion-cost"
FIRST_KEY = {"name": "taskyard-auth", "key": "first-key"}
"""Where the chart has put the API's first key, of a release `taskyard`."""


class CommandError(AssertionError):
    """A command that failed; an AssertionError, so that whoever waits for a condition tries again."""


def command(*words: str, stdin: str | None = None, deadline_s: float = 120) -> str:
    """Run a program and return what it wrote; raise CommandError with its complaint where it fails."""
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=deadline_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"not in {deadline_s:g} s: {shlex.join(words)}") from error
    if done.returncode:
        raise CommandError(f"{shlex.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Pod:
    """A pod as it was when it was asked for."""

    name: str
    uid: str
    component: str
    pool: str
    phase: str
    ready: bool
    leaving: bool
    node: str
    restarts: int
    deletion_cost: int

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Pod":
        """Read what Kubernetes says of it."""
        metadata, status = found["metadata"], found["status"]
        conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", ())}
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            component=metadata["labels"].get("app.kubernetes.io/component", ""),
            pool=metadata["labels"].get("taskyard.dev/pool", ""),
            phase=status["phase"],
            ready=conditions.get("Ready") == "True",
            leaving="deletionTimestamp" in metadata,
            node=found["spec"].get("nodeName", ""),
            restarts=sum(container["restartCount"] for container in status.get("containerStatuses", ())),
            deletion_cost=int(metadata.get("annotations", {}).get(BUSY_COST, "0")),
        )


@dataclass(frozen=True)
class Cluster:
    """One namespace of the cluster that KUBECONFIG names."""

    namespace: str

    def kubectl(self, *words: str, stdin: str | None = None, deadline_s: float = 120) -> str:
        """Run kubectl in the namespace; raises CommandError."""
        return command("kubectl", "--namespace", self.namespace, *words, stdin=stdin, deadline_s=deadline_s)

    def get(self, *words: str) -> Any:
        """Return what `kubectl get` finds."""
        return json.loads(self.kubectl("get", *words, "--output", "json"))

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create or change these objects."""
        self.kubectl(
            "apply", "--filename", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        )

    def pods(self, *, component: str = "", pool: str = "") -> list[Pod]:
        """Return the pods of Taskyard, of one component or one pool where it is named."""
        selector = ["app.kubernetes.io/name=taskyard"]
        selector += [f"app.kubernetes.io/component={component}"] * bool(component)
        selector += [f"taskyard.dev/pool={pool}"] * bool(pool)
        return [Pod.of(found) for found in self.get("pods", "--selector", ",".join(selector))["items"]]

    def everything(self) -> set[str]:
        """Return "kind/name" of all objects in the namespace but those that Kubernetes keeps there itself."""
        kinds = [
            kind
            for kind in self.kubectl("api-resources", "--namespaced", "--verbs", "list", "--output", "name").split()
            if not kind.startswith(("events", "endpoints.", "endpointslices.", "pods.metrics.")) and kind != "endpoints"
        ]
        found = self.kubectl("get", ",".join(kinds), "--ignore-not-found", "--output", "name").split()
        return set(found) - {"configmap/kube-root-ca.crt", "serviceaccount/default"}

    def create(self) -> None:
        """Create the namespace: empty, and refusing any pod that asks for more than the least rights."""
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        metadata = {"name": self.namespace, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def remove(self) -> None:
        """Remove the namespace and all in it, and wait until it is gone."""
        # Else Kubernetes looks again only after half of the longest time that a pod has to end.
        self.kubectl("delete", "deployments,statefulsets,jobs", "--all", "--wait=false")
        self.kubectl("delete", "pods", "--all", "--grace-period=1", deadline_s=330)
        command(
            "kubectl", "delete", "namespace", self.namespace, "--ignore-not-found", "--timeout=300s", deadline_s=330
        )
