"""The API as verify asks it: submissions that may be repeated, and what became of each task."""

from datetime import datetime
from typing import Any, Final

import httpx

from taskyard.errors import TaskyardError
from taskyard.states import Status
from taskyard.verify.canaries import Canary
from taskyard.verify.facts import AttemptSeen, TaskSeen

_TIMEOUT_S: Final = 10.0
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed. A 500 is one too: what it means for the task is seen at the end."""


class NoAnswerError(TaskyardError):
    """The API did not answer, or not yet: the same request is to be sent again, after `retry_after_s`."""

    code = "no_answer"

    def __init__(self, message: str, retry_after_s: float = 0.2) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RefusedError(TaskyardError):
    """The API refuses what was asked for good: the key has no right to it, or there is no such kind."""

    code = "refused"


class Client:
    """The API at `url`, asked with `key` where it wants one. May be used from any thread."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S)

    def submit(self, canary: Canary) -> int:
        """Submit the canary and return its task's id, the same one however often it is sent.

        Raises:
            NoAnswerError: whether it was recorded is unknown.
            RefusedError: it never will be.
        """
        answer = self._ask("POST", "/tasks", json=canary.body, headers={"Idempotency-Key": canary.key})
        return int(answer["id"])

    def cancel(self, task_id: int) -> None:
        """Ask for the task to be cancelled.

        Raises:
            NoAnswerError, RefusedError: as `submit` does.
        """
        self._ask("POST", f"/tasks/{task_id}/cancel")

    def task(self, task_id: int, wait_s: float = 0.0) -> TaskSeen | None:
        """Return the task with its attempts, after waiting up to `wait_s` for its end; None where there is none.

        Raises:
            NoAnswerError, RefusedError: as `submit` does.
        """
        answer = self._ask("GET", f"/tasks/{task_id}", params={"include": "attempts", "wait_s": wait_s}, extra_s=wait_s)
        return _seen(answer) if answer else None

    def is_ready(self) -> bool:
        """Return whether the API says that it can serve."""
        try:
            self._ask("GET", "/readyz")
        except NoAnswerError:
            return False
        return True

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _ask(self, method: str, path: str, *, extra_s: float = 0.0, **request: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, timeout=_TIMEOUT_S + extra_s, **request)
        except httpx.TransportError as error:
            raise NoAnswerError(f"{type(error).__name__}: {error}") from error
        if answer.status_code in _AGAIN:
            raise NoAnswerError(f"{answer.status_code} {answer.text[:300]}", _retry_after_s(answer))
        if answer.status_code == httpx.codes.NOT_FOUND and method == "GET":
            return {}
        if answer.status_code == httpx.codes.CONFLICT:  # a cancellation that came too late
            return {}
        if not answer.is_success:
            raise RefusedError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        document: dict[str, Any] = answer.json() if answer.content else {}
        return document


def _retry_after_s(answer: httpx.Response) -> float:
    try:
        return min(2.0, float(answer.headers.get("Retry-After", 0.2)))
    except ValueError:
        return 1.0


def _seen(document: dict[str, Any]) -> TaskSeen:
    result = document.get("result")
    return TaskSeen(
        task_id=int(document["id"]),
        status=Status(document["status"]),
        attempt=int(document["attempt"]),
        attempts=[_attempt(row) for row in document["attempts"]],
        runs=result.get("runs") if isinstance(result, dict) else None,
    )


def _attempt(row: dict[str, Any]) -> AttemptSeen:
    ended_at = row.get("ended_at")
    return AttemptSeen(
        number=int(row["attempt"]),
        outcome=row.get("outcome"),
        worker=str(row["worker"]),
        started_s=datetime.fromisoformat(row["started_at"]).timestamp(),
        ended_s=datetime.fromisoformat(ended_at).timestamp() if ended_at else None,
    )
