"""GET /admin/audit: who did what, from where, and when."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from taskyard.documents import text_fault
from taskyard.errors import InvalidError
from taskyard.statements import audit
from taskyard.statements.audit import Action, Filter
from taskyard_api import cursors
from taskyard_api.access import requires
from taskyard_api.parts import PartsDep, answer
from taskyard_api.problems import documented
from taskyard_api.schemas import AuditPage, RunAt, Word

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[requires("admin")])


@router.get(
    "/audit",
    summary="Who did what, newest first",
    responses={200: {"model": AuditPage, "description": "A page of the audit."}, **documented(422)},
)
async def read_audit(  # noqa: PLR0913, PLR0917 - each is a query parameter
    parts: PartsDep,
    task_id: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="done to this task")] = None,
    queue: Annotated[Word | None, Query(description="done to this queue")] = None,
    key_id: Annotated[str | None, Query(max_length=200, description="done to this key")] = None,
    actor: Annotated[str | None, Query(max_length=200, description="done by: the id of a key, for example")] = None,
    action: Annotated[Action | None, Query(description="exactly this")] = None,
    at_from: Annotated[RunAt | None, Query(alias="from", description="done at this time or later")] = None,
    at_until: Annotated[RunAt | None, Query(alias="until", description="done before this time")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> Response:
    """Return what was done that fits all that is given."""
    for text, field in ((key_id, "query.key_id"), (actor, "query.actor")):
        if text is not None and (fault := text_fault(text, field)):
            raise InvalidError(fault)
    wanted = Filter(
        task_id=task_id,
        queue=queue,
        key_id=key_id,
        actor=actor,
        action=action,
        at_from=at_from,
        at_until=at_until,
        before_id=cursors.read(cursor),
    )
    page = await parts.readers.run(audit.page, wanted, limit)
    return answer({"entries": page.entries, "next_cursor": cursors.write(page.next_before_id)})
