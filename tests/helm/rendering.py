"""The chart as Helm renders it, as parsed objects, each set of values once a run.

rendering = render({"autoscaling": {"mode": "hpa"}}, release="shop")
[hpa] = rendering.of_kind("HorizontalPodAutoscaler")
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from helm import fetching

Object = dict[str, Any]

ROOT = fetching.ROOT
CHART = ROOT / "deploy" / "helm" / "taskyard"
NAMESPACE = "somewhere"
NEWEST = fetching.KUBERNETES_VERSIONS[-1]
PODS_IN = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


class RefusedError(Exception):
    """Helm would not render the values; the message is Helm's own."""


@dataclass(frozen=True)
class PodTemplate:
    """The pods that one object makes: `owner` says whose they are."""

    owner: str
    metadata: Object
    spec: Object

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels of the pods."""
        return self.metadata.get("labels", {})

    @property
    def component(self) -> str:
        """Return which part of Taskyard they are."""
        return self.labels["app.kubernetes.io/component"]

    @property
    def containers(self) -> list[Object]:
        """Return the containers, those that run first among them."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


@dataclass(frozen=True)
class Rendering:
    """What Helm made of one set of values."""

    text: str

    @cached_property
    def objects(self) -> list[Object]:
        """Return every object, hooks among them."""
        return [document for document in yaml.load_all(self.text, yaml.CSafeLoader) if document]

    def of_kind(self, *kinds: str) -> list[Object]:
        """Return the objects of these kinds."""
        return [made for made in self.objects if made["kind"] in kinds]

    def get(self, kind: str, name: str) -> Object:
        """Return the one object of that name.

        Raises:
            ValueError: there is none, or more than one.
        """
        [found] = [made for made in self.of_kind(kind) if made["metadata"]["name"] == name]
        return found

    def component(self, kind: str, component: str) -> Object:
        """Return the one object of that kind that belongs to a part of Taskyard.

        Raises:
            ValueError: there is none, or more than one.
        """
        [found] = [made for made in self.of_kind(kind) if component_of(made) == component]
        return found

    @cached_property
    def pods(self) -> list[PodTemplate]:
        """Return the pods that the objects make, of every kind."""
        return list(_pods(self.objects))


def component_of(made: Object) -> str | None:
    """Return which part of Taskyard an object belongs to."""
    return made["metadata"].get("labels", {}).get("app.kubernetes.io/component")


def identity(made: Object) -> str:
    """Return kind and name, as messages show them."""
    return f"{made['kind']}/{made['metadata']['name']}"


def render(values: Mapping[str, Any] | None = None, **options: Any) -> Rendering:
    """Render the chart with `values` over its own; for the options see `_render`.

    Raises:
        RefusedError: Helm would not.
    """
    return _render(json.dumps(values or {}, sort_keys=True), **options)


def render_files(*files: Path, **options: Any) -> Rendering:
    """Render the chart with files of values, as `--values` takes them.

    Raises:
        RefusedError: Helm would not.
    """
    merged: dict[str, Any] = {}
    for file in files:
        merged = merge(merged, yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    return render(merged, **options)


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree of values over another, as Helm does."""
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


@cache
def _render(
    values: str,
    *,
    release: str = "shop",
    kube_version: str = NEWEST,
    helm: str = "4",
    upgrade: bool = False,
    server: str = "",
    namespace: str = NAMESPACE,
) -> Rendering:
    """Run `helm template` once for the same arguments; `server` is the address of an API server for `lookup`."""
    command = ["template", release, str(CHART), "--namespace", namespace, "--values", "-"]
    command += ["--is-upgrade"] if upgrade else []
    asking = ["--dry-run=server", "--kube-apiserver", server, "--disable-openapi-validation"]
    command += asking if server else ["--kube-version", kube_version]
    done = run(*command, helm=helm, stdin=values)
    if done.returncode:
        raise RefusedError(done.stderr.strip())
    return Rendering(done.stdout)


def run(*arguments: str, helm: str = "4", stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run Helm where nothing of this machine's own Helm and kubectl is seen; the caller looks at the exit code."""
    with tempfile.TemporaryDirectory() as home:
        homes = {f"HELM_{what}_HOME": home for what in ("CACHE", "CONFIG", "DATA")}
        environment = {"PATH": os.environ["PATH"], "HOME": home, "KUBECONFIG": os.devnull, **homes}
        command = [str(fetching.helm(helm)), *arguments]
        return subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )


def side_by_side(calls: list[Any]) -> list[Any]:
    """Call functions without arguments at the same time, since Helm runs on one core; return what they return."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(lambda call: call(), calls))


def _pods(objects: list[Object]) -> Iterator[PodTemplate]:
    for made in objects:
        if made["kind"] in PODS_IN:
            template = made
            for key in PODS_IN[made["kind"]]:
                template = template[key]
            yield PodTemplate(identity(made), template["metadata"], template["spec"])


@cache
def chart_values() -> dict[str, Any]:
    """Return the chart's own values, with those of the servers' charts under their names, as Helm lays them."""
    own = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    for subchart in sorted((CHART / "charts").iterdir()):
        below = yaml.safe_load((subchart / "values.yaml").read_text(encoding="utf-8"))
        below.pop("global", None)
        own[subchart.name] = merge(below, own.get(subchart.name, {}))
    return own
