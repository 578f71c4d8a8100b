"""The faults that come as tasks: each submits one whose handler does what handlers should not."""

from typing import Any, Final

from taskyard.verify.canaries import Canary
from taskyard.verify.client import Client
from taskyard.verify.faults.plan import Fault
from taskyard.verify.faults.stage import SkippedError, Stage
from taskyard.verify.faults.story import Story
from taskyard.verify.submitters import insist

_IGNORES_S: Final = 20.0
_FIRST: Final = 9
_LOOK_S: Final = 0.3
_BEGINS_WITHIN_S: Final = 60.0


def run(kind: str, stage: Stage, fault: Fault, story: Story) -> str:
    """Have a task of `kind` run; how it ends is seen at the end."""
    client = Client(stage.api_url)
    try:
        return f"task {_submit(client, stage, fault, story, kind, {})}"
    finally:
        client.close()


def stubborn(stage: Stage, fault: Fault, story: Story) -> str:
    """Have a handler ignore its cancellation, so that its process must be killed."""
    client = Client(stage.api_url)
    try:
        task_id = _submit(client, stage, fault, story, "fault.stubborn", {"seconds": _IGNORES_S})
        for _ in range(int(_BEGINS_WITHIN_S / _LOOK_S)):
            seen = insist(lambda: client.task(task_id), stage.ending)
            if seen is None or seen.status != "queued" or stage.ending.wait(_LOOK_S):
                break
        insist(lambda: client.cancel(task_id), stage.ending)
        return f"task {task_id}"
    finally:
        client.close()


def _submit(client: Client, stage: Stage, fault: Fault, story: Story, kind: str, payload: dict[str, Any]) -> int:
    body = {"name": f"{stage.run} fault {fault.number}", "kind": kind, "payload": payload, "priority": _FIRST}
    canary = Canary(f"{stage.run}-fault-{fault.number}", body)
    task_id = insist(lambda: story.ledger.submit(client, canary), stage.ending)
    if task_id is None:
        raise SkippedError("the run ended before the task was taken")
    return task_id
