"""POST /tasks and POST /tasks/batch: handing work in."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Header, Request, Response

from taskyard.errors import Fault, InvalidError, KeyReusedError, NotFoundError, OverloadedError, UnavailableError
from taskyard.keys import Scope
from taskyard.statements.audit import Action
from taskyard.statements.reading import Task
from taskyard.statements.submission import KeyTaken, NewTask, Recorded
from taskyard_api.access import Caller, CallerDep, requires
from taskyard_api.direct import Asked, Way
from taskyard_api.metrics import Result
from taskyard_api.parts import Parts, PartsDep, answer
from taskyard_api.problems import documented
from taskyard_api.schemas import Batch, BatchSubmission, TaskSubmission
from taskyard_api.showing import shown, shown_back
from taskyard_api.submissions import idempotency_key

_PATH: Final = "/tasks"
_BATCH: Final = "/batch"

router = APIRouter(prefix=_PATH, tags=["tasks"], dependencies=[requires("tasks:write")])

_KEY: Final = b"idempotency-key"
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="Sent again with the same body, it brings the first answer again."),
]


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    summary="Submit a task",
    responses={
        201: {"model": Task, "description": "Recorded, durably; `Location` is where to ask for it."},
        200: {"model": Task, "description": "The task of an earlier request with this Idempotency-Key."},
        **documented(400, 413, 415, 422),
    },
)
async def submit(
    submission: TaskSubmission, request: Request, parts: PartsDep, caller: CallerDep, key: IdempotencyKey = None
) -> Response:
    """Record a task; it is never lost after this has answered 201."""
    return await _record(submission, len(await request.body()), parts, caller, key)


@router.post(
    _BATCH,
    status_code=HTTPStatus.CREATED,
    summary="Submit up to 1,000 tasks in one transaction",
    responses={201: {"model": Batch, "description": "All recorded, durably."}, **documented(400, 413, 415, 422)},
)
async def submit_batch(
    batch: BatchSubmission, request: Request, parts: PartsDep, caller: CallerDep, key: IdempotencyKey = None
) -> Response:
    """Record all tasks of the batch, or none where one of them breaks a rule."""
    return await _record_batch(batch, len(await request.body()), parts, caller, key)


async def _submit_directly(asked: Asked) -> Response | None:
    if (sent := await asked.document(TaskSubmission)) is None:
        return None
    return await _record(*sent, asked.parts, asked.caller, asked.header(_KEY))


async def _submit_batch_directly(asked: Asked) -> Response | None:
    if (sent := await asked.document(BatchSubmission)) is None:
        return None
    return await _record_batch(*sent, asked.parts, asked.caller, asked.header(_KEY))


WAYS: Final = (
    Way("POST", _PATH, Scope.TASKS_WRITE, _submit_directly),
    Way("POST", _PATH + _BATCH, Scope.TASKS_WRITE, _submit_batch_directly),
)


async def _record(
    submission: TaskSubmission, size_bytes: int, parts: Parts, caller: Caller, key: str | None
) -> Response:
    with _Counted(parts, [submission]) as counted:
        task = await parts.checker.complete(submission, size_bytes, key=idempotency_key(key))
        [recorded] = await parts.writer.record([task], size_bytes, caller.submitted(Action.TASK_SUBMIT))
        if isinstance(recorded, KeyTaken):
            counted.result = "replayed"
            return await _replay(parts, caller, task, recorded)
    return answer(
        _task(await shown_back(parts, caller, task), recorded),
        HTTPStatus.CREATED,
        {"Location": f"/tasks/{recorded.id}"},
    )


async def _record_batch(
    batch: BatchSubmission, size_bytes: int, parts: Parts, caller: Caller, key: str | None
) -> Response:
    with _Counted(parts, batch.tasks):
        if key is not None:
            raise InvalidError(Fault("Idempotency-Key", "is not taken for a batch; submit tasks one by one to use it"))
        tasks = [
            await parts.checker.complete(submission, size_bytes // len(batch.tasks), field=f"tasks[{index}].")
            for index, submission in enumerate(batch.tasks)
        ]
        parts.checker.check_sizes(tasks, size_bytes)
        recorded = await parts.writer.record(tasks, size_bytes, caller.submitted(Action.TASK_SUBMIT_BATCH))
    documents = [
        _task(await shown_back(parts, caller, task), one)
        for task, one in zip(tasks, recorded, strict=True)
        if isinstance(one, Recorded)
    ]
    return answer({"tasks": documents}, HTTPStatus.CREATED)


class _Counted:
    """Counts what became of submissions, whichever way their request ends."""

    def __init__(self, parts: Parts, submissions: Sequence[TaskSubmission]) -> None:
        self._parts = parts
        self._submissions = submissions
        self.result: Result = "accepted"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, InvalidError):
            self.result = "invalid"
        elif isinstance(error, OverloadedError | UnavailableError):
            self.result = "rejected"
        elif error is not None:
            self.result = "error"
        place = self._parts.catalogue.place
        places = [place(submission.kind, submission.queue) for submission in self._submissions]
        self._parts.metrics.submissions.count(places, self.result)


async def _replay(parts: Parts, caller: Caller, task: NewTask, taken: KeyTaken) -> Response:
    """Answer a request whose key is taken: with its task, where it said the same."""
    if taken.request_hash != task.request_hash:
        raise KeyReusedError(
            Fault("Idempotency-Key", f"was used for another request, of task {taken.id}; use a new key for a new task")
        )
    found = await parts.lookups.task(taken.id)
    if found is None:
        raise NotFoundError(f"task {taken.id}, submitted with this Idempotency-Key, was deleted just now")
    return answer(await shown(parts, caller, found), HTTPStatus.OK, {"Location": f"/tasks/{taken.id}"})


def _task(task: NewTask, recorded: Recorded) -> dict[str, Any]:
    """Return a task that was just recorded, as GET would show it, without reading it."""
    return {
        "id": recorded.id,
        "name": task.name,
        "kind": task.kind,
        "queue": task.queue,
        "status": recorded.status,
        "reason": None,
        "priority": task.priority,
        "tags": task.tags,
        "attempt": 0,
        "max_attempts": task.max_attempts,
        "timeout_s": task.timeout_s,
        "progress": None,
        "progress_note": None,
        "worker": None,
        "error_type": None,
        "error_message": None,
        "created_at": recorded.created_at,
        "run_at": recorded.run_at,
        "queued_at": recorded.queued_at,
        "started_at": None,
        "finished_at": None,
        "cancel_requested_at": None,
        "payload": task.payload,
        "result": None,
    }
