"""GET /admin/consistency: what must hold of the record, when that was last proved, and where it did not."""

from typing import Any

from fastapi import APIRouter, Response

from taskyard.database import Cursor
from taskyard.statements import passes
from taskyard.statements.consistency import MEANING, Rule
from taskyard.statements.mending import MENDING
from taskyard_api.access import requires
from taskyard_api.parts import PartsDep, answer
from taskyard_api.problems import documented
from taskyard_api.schemas import Consistency

router = APIRouter(prefix="/admin", tags=["admin"], dependencies=[requires("admin")])


@router.get(
    "/consistency",
    summary="Rules of the record, passes of their check, and violations",
    responses={200: {"model": Consistency, "description": "What is checked, and what was found."}, **documented()},
)
async def read_consistency(parts: PartsDep) -> Response:
    """Return the rules, the last full pass over the record, the one on its way, and the newest violations."""
    rules = [{"name": rule, "meaning": MEANING[rule], "mending": MENDING.get(rule)} for rule in Rule]
    return answer({"rules": rules, **await parts.readers.run(_found)})


def _found(cursor: Cursor) -> dict[str, Any]:
    return {
        "last_pass": passes.last_ended(cursor),
        "running_pass": passes.running(cursor),
        "violations": passes.violations(cursor),
    }
