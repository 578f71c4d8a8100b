"""GET /tasks, GET /tasks/{id} and its attempts."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import FiniteFloat

from taskyard.documents import text_fault
from taskyard.errors import InvalidError, NotFoundError
from taskyard.keys import Scope
from taskyard.statements import reading
from taskyard.statements.reading import Document, Filter
from taskyard.states import FINAL, Status
from taskyard_api import cursors
from taskyard_api.access import Caller, CallerDep, requires
from taskyard_api.direct import Asked, Way
from taskyard_api.parts import Parts, PartsDep, answer
from taskyard_api.problems import documented
from taskyard_api.schemas import Attempts, RunAt, TaskPage, TaskWithAttempts, Word
from taskyard_api.showing import shown

router = APIRouter(prefix="/tasks", tags=["tasks"], dependencies=[requires("tasks:read")])

LONGEST_WAIT_S: Final = 60.0
TaskId = Annotated[int, Path(ge=1, le=2**63 - 1, description="the task's id")]


@router.get(
    "/{task_id}",
    summary="One task, all of it",
    responses={200: {"model": TaskWithAttempts, "description": "The task."}, **documented(404, 422)},
)
async def read(
    task_id: TaskId,
    parts: PartsDep,
    caller: CallerDep,
    wait_s: Annotated[FiniteFloat, Query(ge=0, le=LONGEST_WAIT_S, description="wait so long for its end")] = 0.0,
    include: Annotated[Literal["attempts"] | None, Query(description="what to add: `attempts`")] = None,
) -> Response:
    """Return the task as it is now, or, with `wait_s`, as soon as it has ended."""
    task = await parts.lookups.task(task_id)
    if task is not None and wait_s > 0 and task["status"] not in FINAL:
        await parts.watcher.wait(task_id, wait_s)
        task = await parts.lookups.task(task_id)
    if task is not None and include is not None:
        task = task | {"attempts": await parts.readers.run(reading.attempts, task_id)}  # others may hold the same one
    return await _answer(parts, caller, task_id, task)


async def _read_directly(asked: Asked) -> Response:
    return await _answer(asked.parts, asked.caller, asked.task_id, await asked.parts.lookups.task(asked.task_id))


async def _answer(parts: Parts, caller: Caller, task_id: int, task: Document | None) -> Response:
    if task is None:
        raise no_task(task_id)
    return answer(await shown(parts, caller, task))


WAYS: Final = (Way("GET", "/tasks/{task_id}", Scope.TASKS_READ, _read_directly),)


@router.get(
    "/{task_id}/attempts",
    summary="The attempts of a task",
    responses={200: {"model": Attempts, "description": "Oldest first."}, **documented(404, 422)},
)
async def read_attempts(task_id: TaskId, parts: PartsDep) -> Response:
    """Return how each attempt ended; the one that runs has no outcome yet."""
    found = await parts.readers.run(reading.attempts, task_id)
    if not found and await parts.lookups.task(task_id) is None:
        raise no_task(task_id)
    return answer({"attempts": found})


@router.get(
    "",
    summary="Tasks, newest first",
    responses={200: {"model": TaskPage, "description": "A page of tasks."}, **documented(422)},
)
async def list_tasks(  # noqa: PLR0913, PLR0917 - each is a query parameter
    parts: PartsDep,
    status: Annotated[list[Status] | None, Query(description="any of these")] = None,
    kind: Word | None = None,
    queue: Word | None = None,
    tag: Annotated[list[str] | None, Query(description="all of these", max_length=20)] = None,
    name: Annotated[str | None, Query(max_length=200, description="exactly this")] = None,
    created_from: Annotated[RunAt | None, Query(description="created at this time or later")] = None,
    created_until: Annotated[RunAt | None, Query(description="created before this time")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> Response:
    """Return tasks that fit all that is given."""
    for text, field in ((name, "query.name"), *((one, "query.tag") for one in tag or ())):
        if text is not None and (fault := text_fault(text, field)):
            raise InvalidError(fault)
    wanted = Filter(
        statuses=status or None,
        kind=kind,
        queue=queue,
        tags=tuple(tag or ()),
        name=name,
        created_from=created_from,
        created_until=created_until,
        before_id=cursors.read(cursor),
    )
    page = await parts.readers.run(reading.page, wanted, limit)
    return answer({"tasks": page.tasks, "next_cursor": cursors.write(page.next_before_id)})


def no_task(task_id: int) -> NotFoundError:
    """Return the error that says that there is no such task."""
    return NotFoundError(f"there is no task {task_id}")
