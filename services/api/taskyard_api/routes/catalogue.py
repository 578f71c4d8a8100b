"""GET /kinds, GET and PATCH /queues: what can be submitted, and where it waits."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response

from taskyard.database import Cursor
from taskyard.errors import NotFoundError
from taskyard.handlers import NAME_PATTERN
from taskyard.statements import audit, kinds, queues
from taskyard.statements.kinds import CataloguedKind
from taskyard.statements.queues import Queue
from taskyard_api.access import Caller, CallerDep, requires
from taskyard_api.metrics import Action
from taskyard_api.parts import Parts, PartsDep, answer
from taskyard_api.problems import documented
from taskyard_api.schemas import Kinds, QueueChange, Queues

router = APIRouter()

_READ: Final = [requires("tasks:read")]
NameInPath = Annotated[str, Path(pattern=NAME_PATTERN)]


@router.get(
    "/kinds",
    tags=["kinds"],
    summary="What can be submitted",
    responses={200: {"model": Kinds}, **documented()},
    dependencies=_READ,
)
async def list_kinds(parts: PartsDep) -> Response:
    """Return the kinds that workers have announced, with defaults and schemas."""
    found = await parts.readers.run(kinds.catalogue)
    return answer({"kinds": list(found.values())})


@router.get(
    "/kinds/{name}",
    tags=["kinds"],
    summary="One kind",
    responses={200: {"model": CataloguedKind}, **documented(404, 422)},
    dependencies=_READ,
)
async def read_kind(name: NameInPath, parts: PartsDep) -> Response:
    """Return one kind with its defaults and the JSON Schema of its payload."""
    found = (await parts.readers.run(kinds.catalogue)).get(name)
    if found is None:
        raise NotFoundError(f"no worker has announced the kind {name!r}")
    return answer(found)


@router.get(
    "/queues",
    tags=["queues"],
    summary="Queues and their counters",
    responses={200: {"model": Queues}, **documented()},
    dependencies=_READ,
)
async def list_queues(parts: PartsDep) -> Response:
    """Return all queues: tasks by status, the age of the oldest that waits, whether they are paused."""
    return answer({"queues": await parts.readers.run(queues.overview)})


@router.get(
    "/queues/{name}",
    tags=["queues"],
    summary="One queue",
    responses={200: {"model": Queue}, **documented(404, 422)},
    dependencies=_READ,
)
async def read_queue(name: NameInPath, parts: PartsDep) -> Response:
    """Return one queue with its counters."""
    return answer(await _existing(parts, name))


@router.patch(
    "/queues/{name}",
    tags=["queues"],
    summary="Pause or resume a queue",
    responses={200: {"model": Queue}, **documented(400, 404, 413, 415, 422)},
    dependencies=[requires("queues:admin")],
)
async def change_queue(name: NameInPath, wanted: QueueChange, parts: PartsDep, caller: CallerDep) -> Response:
    """Change a queue. While it is paused none of its tasks is started; what runs goes on."""
    changes = wanted.model_dump(exclude_unset=True)
    with parts.metrics.acting(_action(changes)):
        await _existing(parts, name)
        await parts.readers.transact(_change, name, changes, caller)
    parts.waker.wake()
    return answer(await _existing(parts, name))


async def _existing(parts: Parts, name: str) -> Queue:
    found = await parts.readers.run(queues.overview, name)
    if not found:
        raise NotFoundError(f"there is no queue {name!r}")
    return found[0]


def _action(changes: dict[str, Any]) -> Action:
    """Name what is done to a queue."""
    if "paused" not in changes:
        return "edit"
    return "pause" if changes["paused"] else "resume"


def _change(cursor: Cursor, name: str, changes: dict[str, Any], caller: Caller) -> None:
    if "paused" in changes:
        queues.set_paused(cursor, name, paused=changes["paused"])
    if "dispatch_window" in changes:
        queues.set_dispatch_window(cursor, name, changes["dispatch_window"])
    if changes:
        audit.record(cursor, [caller.did(audit.Action.QUEUE_EDIT, queue=name, detail=changes)])
