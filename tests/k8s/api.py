"""Taskyard's API as the tests reach it from outside: by `kubectl proxy`, a relay that adds the key, and the Service.

It works wherever KUBECONFIG does, and, unlike a port-forward, which is tied to one pod, goes on when pods come and go.
"""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from k8s.cluster import Cluster, CommandError
from k8s.inside import Program, start
from waiting import eventually


@contextmanager
def proxy() -> Iterator[str]:
    """Have `kubectl proxy` run; gives its URL."""
    with subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()  # Starting to serve on 127.0.0.1:41231
            yield f"http://{said.split()[-1]}"
        finally:
            process.terminate()


@dataclass
class Api:
    """The API of one release. What is not answered with 2xx raises CommandError."""

    client: httpx.Client
    cluster: Cluster
    service: str
    image: str
    _relay: Program | None = None

    def get(self, path: str, **parameters: Any) -> Any:
        """GET a path."""
        return self._answer("GET", path, params=parameters)

    def submit(self, *tasks: Mapping[str, Any]) -> list[int]:
        """Submit these tasks at once; returns their ids."""
        return [task["id"] for task in self._answer("POST", "/tasks/batch", json={"tasks": tasks})["tasks"]]

    def status(self, task_id: int) -> str:
        """Return the status of a task."""
        return str(self.get(f"/tasks/{task_id}")["status"])

    def counts(self, queue: str = "default") -> Mapping[str, int]:
        """Return the tasks of the queue by status."""
        return self.get(f"/queues/{queue}")["tasks"]

    def running(self) -> list[Mapping[str, Any]]:
        """Return the tasks that run."""
        return self.get("/tasks", status="running", limit=500)["tasks"]

    def _answer(self, method: str, path: str, **request: Any) -> Any:
        if self._relay is None:
            self._relay = start(self.cluster, "relay", self.inside_url, image=self.image)
            eventually(lambda: self.client.get(self._outside_url("/livez")).is_success, "the relay answers", 60)
        answer = self.client.request(method, self._outside_url(path), **request)
        if not answer.is_success:
            raise CommandError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def close(self) -> None:
        """Remove what the tests reach it by; the next request brings it back."""
        if self._relay is not None:
            self._relay.remove()
            self._relay = None

    def _outside_url(self, path: str) -> str:
        return f"/api/v1/namespaces/{self.cluster.namespace}/pods/relay:8080/proxy{path}"

    @property
    def inside_url(self) -> str:
        """Its address for pods of the same namespace."""
        return f"http://{self.service}:8000"
