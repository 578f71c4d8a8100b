"""A small HTTP server that answers like the API server of a cluster, as far as pods and Secrets go."""

import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

POD_LABELS = {"taskyard.dev/pool": "default"}


class ClusterStandIn:
    """The state of the stand-in. `token` is the one that is valid; `failing` counts down answers of 500."""

    def __init__(self) -> None:
        self.token = "first"
        self.failing = 0
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.patched: Counter[str] = Counter()
        self.refuse_patches_of: set[str] = set()
        self.before_write = lambda _kind, _name: None
        self._versions = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, kind: str, name: str, metadata: dict[str, Any] | None = None, /, **content: Any) -> dict[str, Any]:
        """Have an object in the namespace `shop`, under a new version."""
        self._versions += 1
        made = {**content, "metadata": {**(metadata or {}), "name": name, "resourceVersion": str(self._versions)}}
        self.objects[kind, name] = made
        return made

    def pod(self, name: str, cost: str | None = None, **metadata: Any) -> None:
        annotations = {} if cost is None else {"controller.kubernetes.io/pod-deletion-cost": cost}
        self.put("pods", name, {"labels": POD_LABELS, "annotations": annotations, **metadata})

    def cost(self, name: str) -> str | None:
        return self.objects["pods", name]["metadata"]["annotations"].get("controller.kubernetes.io/pod-deletion-cost")

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        url = urlsplit(path)
        found = re.fullmatch(r"/api/v1/namespaces/shop/(pods|secrets)(?:/([^/]+))?", url.path)
        if headers["Authorization"] not in (None, f"Bearer {self.token}"):
            return 401, {"message": "Unauthorized"}
        if self.failing:
            self.failing -= 1
            return 500, {"message": "etcdserver: request timed out"}
        if found is None:
            return 403, {"message": f"{path} is forbidden"}
        kind, name = found.groups()
        if method == "GET":
            return self._get(kind, name, headers["Accept"], parse_qs(url.query))
        if method == "POST":
            return self._create(kind, json.loads(body))
        assert headers["Content-Type"] == "application/merge-patch+json"
        return self._patch(kind, name, json.loads(body))

    def _get(self, kind: str, name: str | None, accept: str, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        if name is None:
            assert "PartialObjectMetadataList" in accept
            # As Kubernetes says it: where it lists only metadata, no item is null, not an empty list.
            return 200, {"items": self._list(kind, query["labelSelector"][0]) or None}
        return (200, self.objects[kind, name]) if (kind, name) in self.objects else _absent(name)

    def _list(self, kind: str, selector: str) -> list[dict[str, Any]]:
        key, _, value = selector.partition("=")
        return [
            {"metadata": one["metadata"]}
            for (its_kind, _), one in self.objects.items()
            if its_kind == kind and key in (labels := one["metadata"].get("labels", {})) and value in ("", labels[key])
        ]

    def _create(self, kind: str, made: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = made["metadata"]["name"]
        self.before_write(kind, name)
        if (kind, name) in self.objects:
            return 409, {"message": f"{name} already exists"}
        return 201, self.put(kind, name, made.pop("metadata"), **made)

    def _patch(self, kind: str, name: str, change: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.before_write(kind, name)
        if (kind, name) not in self.objects:
            return _absent(name)
        if name in self.refuse_patches_of:
            return 422, {"message": f"{name} is not to be changed"}
        present = self.objects[kind, name]
        version = change["metadata"].pop("resourceVersion", None)
        if version not in (None, present["metadata"]["resourceVersion"]):
            return 409, {"message": "the object has been modified"}
        self.patched[name] += 1
        merged = _merged(present, change)
        return 200, self.put(kind, name, merged.pop("metadata"), **merged)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, content = cluster.answer(self.command, self.path, self.headers, body)
                text = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = _do  # noqa: N815 - the library looks for these names

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _absent(name: str) -> tuple[int, dict[str, Any]]:
    return 404, {"message": f'"{name}" not found'}


def _merged(present: Any, change: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396)."""
    if not isinstance(change, dict):
        return change
    merged = dict(present) if isinstance(present, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged
