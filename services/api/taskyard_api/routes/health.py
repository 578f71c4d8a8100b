"""GET /livez and /readyz."""

from fastapi import APIRouter, Response

from taskyard.errors import UnavailableError
from taskyard.schema import REVISION, current
from taskyard_api.parts import PartsDep, answer
from taskyard_api.problems import documented
from taskyard_api.schemas import Health

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Does the process live?", responses={200: {"model": Health}})
async def live() -> Response:
    """Answer. Depends on nothing outside the process."""
    return answer({"status": "ok"})


@router.get("/readyz", summary="Can it serve?", responses={200: {"model": Health}, **documented()})
async def ready(parts: PartsDep) -> Response:
    """Say whether the database answers, with tables that fit."""
    version = await parts.readers.run(current)
    if version is None or version < REVISION:
        raise UnavailableError(f"the tables are at version {version}, not {REVISION}: run `taskyard migrate`")
    await parts.catalogue.refresh()
    return answer({"status": "ok"})
