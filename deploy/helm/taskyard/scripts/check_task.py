"""`helm test`: a task to each queue by the API, seen to succeed, and counted in the API's metrics.

TEST_API, TEST_METRICS: addresses. TEST_KEY: an API key, where one is needed. TEST_QUEUES: names, separated by commas.
TEST_TASK_S: seconds that the tasks have.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

POLL_S = 20
FINAL = {"succeeded", "failed", "cancelled"}


def fetch(url: str, body: object = None) -> str:
    """Return what the address answers; with a body it is posted as JSON."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("TEST_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=POLL_S + 10) as answer:  # noqa: S310 - addresses are the chart's
        return str(answer.read().decode())


def submit(api: str, queue: str) -> int:
    """Submit a task that does nothing; return its id."""
    body = {"name": "helm test", "kind": "sleep", "queue": queue, "payload": {"seconds": 0}, "tags": ["helm-test"]}
    task_id = json.loads(fetch(f"{api}/tasks", body))["id"]
    print(f"queue {queue}: submitted task {task_id}", flush=True)
    return int(task_id)


def ended(api: str, task_id: int, deadline: float) -> dict[str, Any]:
    """Return the task when it has ended, or as it is when the time is over."""
    while True:
        task: dict[str, Any] = json.loads(fetch(f"{api}/tasks/{task_id}?wait_s={POLL_S}"))
        if task["status"] in FINAL or time.monotonic() > deadline:
            return task


def main() -> None:
    """Submit, wait, look at the metrics; exit with 1 and the reason where one of them fails."""
    api = os.environ["TEST_API"]
    deadline = time.monotonic() + float(os.environ["TEST_TASK_S"])
    tasks = {queue: submit(api, queue) for queue in os.environ["TEST_QUEUES"].split(",")}
    for queue, task_id in tasks.items():
        task = ended(api, task_id, deadline)
        print(f"queue {queue}: task {task_id} is {task['status']}", flush=True)
        if task["status"] != "succeeded":
            sys.exit(f"task {task_id} did not succeed: {json.dumps(task)}")
    metrics = fetch(os.environ["TEST_METRICS"])
    for name in ("taskyard_http_requests_total", "taskyard_build_info"):
        if f"\n{name}{{" not in metrics:
            sys.exit(f"the API's metrics have no {name}")
    print("the API shows its metrics")


if __name__ == "__main__":
    main()
