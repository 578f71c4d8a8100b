"""PATCH and DELETE /tasks/{id}, cancel and retry: what people do to tasks that exist."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from taskyard.database import Cursor
from taskyard.errors import ConflictError
from taskyard.statements import audit, editing
from taskyard.statements.audit import Action
from taskyard.statements.editing import Locked
from taskyard.statements.reading import Document, Task
from taskyard.states import FINAL, WAITING, Status
from taskyard_api.access import Caller, CallerDep, requires
from taskyard_api.parts import Parts, PartsDep, answer
from taskyard_api.problems import documented
from taskyard_api.routes.reading import TaskId, no_task
from taskyard_api.schemas import TaskChange
from taskyard_api.showing import shown

router = APIRouter(prefix="/tasks", tags=["tasks"], dependencies=[requires("tasks:write")])

_ALWAYS: Final = frozenset({"name", "tags"})
_CHANGED: Final[dict[int | str, dict[str, Any]]] = {200: {"model": Task, "description": "The task as it is now."}}
_ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {202: {"model": Task, "description": "The task as it is now."}}


@router.patch("/{task_id}", summary="Change a task", responses={**_CHANGED, **documented(400, 404, 409, 413, 415, 422)})
async def change(task_id: TaskId, wanted: TaskChange, request: Request, parts: PartsDep, caller: CallerDep) -> Response:
    """Change its name and tags at any time, the rest only while it waits."""
    changes = {field: getattr(wanted, field) for field in wanted.model_fields_set}
    with parts.metrics.acting("edit"):
        if wanted.queue is not None:
            await parts.catalogue.check_queue(wanted.queue, "queue")
        if wanted.payload is not None:
            task = await _existing(parts, task_id)
            kind = await parts.catalogue.kind(task["kind"], "kind")
            await parts.checker.check_payload(kind, wanted.payload, len(await request.body()), "payload")
        if changes:
            await parts.readers.transact(_edit, task_id, changes, caller)
            parts.waker.wake()
    return answer(await shown(parts, caller, await _existing(parts, task_id)))


@router.delete(
    "/{task_id}",
    status_code=HTTPStatus.NO_CONTENT,
    summary="Delete a task",
    response_class=Response,
    responses={204: {"description": "It is gone, with its attempts."}, **documented(404, 409, 422)},
)
async def delete(task_id: TaskId, parts: PartsDep, caller: CallerDep) -> Response:
    """Delete a task that waits or has ended."""
    with parts.metrics.acting("delete"):
        await parts.readers.transact(_delete, task_id, caller)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/{task_id}/cancel",
    status_code=HTTPStatus.ACCEPTED,
    summary="Cancel a task",
    responses={**_ACCEPTED, **documented(404, 409, 422)},
)
async def cancel(task_id: TaskId, parts: PartsDep, caller: CallerDep) -> Response:
    """Cancel it: at once while it waits; while it runs its handler is told within a second."""
    with parts.metrics.acting("cancel"):
        await parts.readers.transact(_cancel, task_id, caller)
    return answer(await shown(parts, caller, await _existing(parts, task_id)), HTTPStatus.ACCEPTED)


@router.post(
    "/{task_id}/retry",
    status_code=HTTPStatus.ACCEPTED,
    summary="Try a task once more",
    responses={**_ACCEPTED, **documented(404, 409, 422)},
)
async def retry(task_id: TaskId, parts: PartsDep, caller: CallerDep) -> Response:
    """Queue a failed or cancelled task again, with all its attempts to spend anew."""
    with parts.metrics.acting("retry"):
        await parts.readers.transact(_retry, task_id, caller)
    parts.waker.wake()
    return answer(await shown(parts, caller, await _existing(parts, task_id)), HTTPStatus.ACCEPTED)


async def _existing(parts: Parts, task_id: int) -> Document:
    task = await parts.lookups.task(task_id)
    if task is None:
        raise no_task(task_id)
    return task


def _locked(cursor: Cursor, task_id: int) -> Locked:
    task = editing.lock(cursor, task_id)
    if task is None:
        raise no_task(task_id)
    return task


def _edit(cursor: Cursor, task_id: int, changes: dict[str, Any], caller: Caller) -> None:
    task = _locked(cursor, task_id)
    if task.status not in WAITING and (late := sorted(changes.keys() - _ALWAYS)):
        raise ConflictError(f"task {task_id} is {task.status}: {', '.join(late)} can be changed only while it waits")
    editing.edit(cursor, task, changes)
    shown = {field: value for field, value in changes.items() if field != "payload"}
    _audit(cursor, caller, Action.TASK_EDIT, task, fields=sorted(changes), values=shown)


def _delete(cursor: Cursor, task_id: int, caller: Caller) -> None:
    task = _locked(cursor, task_id)
    if task.status is Status.RUNNING:
        raise ConflictError(f"task {task_id} is running: cancel it first, POST /tasks/{task_id}/cancel")
    editing.delete(cursor, task)
    _audit(cursor, caller, Action.TASK_DELETE, task, kind=task.kind, queue=task.queue)


def _cancel(cursor: Cursor, task_id: int, caller: Caller) -> None:
    task = _locked(cursor, task_id)
    if task.status in FINAL:
        raise ConflictError(f"task {task_id} is {task.status} already")
    if task.status is Status.RUNNING:
        editing.request_cancellation(cursor, task)
    else:
        editing.cancel_waiting(cursor, task)
    _audit(cursor, caller, Action.TASK_CANCEL, task)


def _retry(cursor: Cursor, task_id: int, caller: Caller) -> None:
    task = _locked(cursor, task_id)
    if task.status not in (Status.FAILED, Status.CANCELLED):
        raise ConflictError(f"task {task_id} is {task.status}: only failed and cancelled tasks can be retried")
    editing.retry(cursor, task)
    _audit(cursor, caller, Action.TASK_RETRY, task)


def _audit(cursor: Cursor, caller: Caller, action: Action, task: Locked, **detail: Any) -> None:
    """Record what `caller` did to a task that had this status, in the same transaction."""
    audit.record(cursor, [caller.did(action, task_ids=(task.id,), detail={"status": task.status, **detail})])
