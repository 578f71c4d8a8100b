"""The few requests with which a local run proves that it works."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from taskyard.local.errors import LocalRunError

_WAIT_S: Final = 20
_FINAL: Final = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Client:
    """The API at `base_url`."""

    base_url: str

    def is_ready(self) -> bool:
        """Return whether the API says that it can serve."""
        try:
            self._call("GET", "/readyz")
        except OSError:
            return False
        return True

    def submit(self, name: str) -> dict[str, Any]:
        """Submit a task and return it as the API does.

        Raises:
            LocalRunError: the API did not take it.
        """
        try:
            return self._call("POST", "/tasks/", {"name": name})
        except OSError as error:
            raise LocalRunError(f"the API did not take a task: {error}") from error

    def finished(self, task_id: int, limit_s: float) -> dict[str, Any]:
        """Wait for the end of the task and return it.

        Raises:
            LocalRunError: it was not over within `limit_s`, or the API went away.
        """
        deadline = monotonic() + limit_s
        while True:
            try:
                task = self._call("GET", f"/tasks/{task_id}?wait_s={_WAIT_S}")
            except OSError as error:
                raise LocalRunError(f"the API does not tell about task {task_id}: {error}") from error
            if task["status"] in _FINAL:
                return task
            if monotonic() > deadline:
                raise LocalRunError(f"task {task_id} is still {task['status']} after {limit_s:.0f} s")

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.base_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        # A proxy of the environment is for other hosts than this one.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_WAIT_S + 10) as response:
            answer: dict[str, Any] = json.loads(response.read() or b"{}")
            return answer
