"""What a caller sees of a task: all of it, or its documents without what the kind calls secret."""

from dataclasses import replace

from taskyard.keys import Scope
from taskyard.redaction import Redaction
from taskyard.statements.reading import Document
from taskyard.statements.submission import NewTask
from taskyard_api.access import Caller
from taskyard_api.parts import Parts


async def shown(parts: Parts, caller: Caller, task: Document) -> Document:
    """Return `task` as `caller` may see it."""
    hidden = await _hidden_from(caller, parts, task["kind"])
    if not hidden:
        return task
    return task | {name: hidden.apply(task[name]) for name in ("payload", "result")}


async def shown_back(parts: Parts, caller: Caller, task: NewTask) -> NewTask:
    """Return a task that `caller` has just submitted as they would see it when they asked for it."""
    hidden = await _hidden_from(caller, parts, task.kind)
    return replace(task, payload=hidden.apply(task.payload)) if hidden else task


async def _hidden_from(caller: Caller, parts: Parts, kind: str) -> Redaction | None:
    if caller.may(Scope.PAYLOAD_READ):
        return None
    return await parts.catalogue.redaction(kind)
