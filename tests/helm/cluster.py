"""As much of an API server as Helm's `lookup` asks: what objects there are. What it answers, a test says.

Helm is asked with `--dry-run=server`, and does what it does against any cluster: it reads discovery, then objects.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from helm.rendering import NAMESPACE, Object

# The kinds of the chart, by group and version: Helm wants to know them all.
KINDS = {
    "v1": ["Secret", "ConfigMap", "Service", "ServiceAccount", "Pod", "PersistentVolumeClaim"],
    "apps/v1": ["StatefulSet", "Deployment"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "batch/v1": ["Job", "CronJob"],
    "networking.k8s.io/v1": ["Ingress", "NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
    "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
    "apiregistration.k8s.io/v1": ["APIService"],
}
OPERATORS = {
    "keda.sh/v1alpha1": ["ScaledObject", "TriggerAuthentication"],
    "monitoring.coreos.com/v1": ["ServiceMonitor", "PodMonitor", "PrometheusRule"],
    "gateway.networking.k8s.io/v1": ["HTTPRoute"],
}


@contextmanager
def cluster(*objects: Object, apis: tuple[str, ...] = (), version: str = "1.35") -> Iterator[str]:
    """Serve these objects on a port of this machine, and those APIs without any; the address is what is yielded."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = _answer(self.path.partition("?")[0], objects, apis, version)
            self.send_response(404 if body.get("status") == "Failure" else 200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(path: str, objects: tuple[Object, ...], apis: tuple[str, ...], version: str) -> Object:
    known = {"version": _version(version), "api": {"kind": "APIVersions", "versions": ["v1"]}, "apis": _groups(apis)}
    place = path.strip("/")
    if place in known:
        return known[place]
    api_version = place.partition("/")[2]
    if api_version in {*KINDS, *apis}:
        return _resources(api_version)
    for made in objects:
        if place == _place(made):
            return made
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


def _place(made: Object) -> str:
    api_version, kind = made["apiVersion"], made["kind"]
    root = "api" if api_version == "v1" else "apis"
    return f"{root}/{api_version}/namespaces/{NAMESPACE}/{_resource(kind)}/{made['metadata']['name']}"


def _version(version: str) -> Object:
    major, minor = version.split(".")
    return {"major": major, "minor": minor, "gitVersion": f"v{version}.0", "platform": "linux/amd64"}


def _groups(apis: tuple[str, ...]) -> Object:
    groups = []
    for api_version in sorted({*KINDS, *apis} - {"v1"}):
        group, version = api_version.split("/")
        served = {"groupVersion": api_version, "version": version}
        groups.append({"name": group, "versions": [served], "preferredVersion": served})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _resources(api_version: str) -> Object:
    listed = [
        {
            "name": _resource(kind),
            "singularName": kind.lower(),
            "namespaced": True,
            "kind": kind,
            "verbs": ["get", "list"],
        }
        for kind in (KINDS | OPERATORS)[api_version]
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": listed}


def _resource(kind: str) -> str:
    """Return the plural: networkpolicies, ingresses, pods."""
    word = kind.lower()
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}{'es' if word.endswith('s') else 's'}"
