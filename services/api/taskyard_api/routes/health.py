"""GET /livez and /readyz."""

from fastapi import APIRouter, Response

from taskyard.errors import UnavailableError
from taskyard.schema import SchemaError, usable
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
    try:
        await parts.readers.run(usable)
    except SchemaError as error:
        raise UnavailableError(str(error)) from error
    await parts.catalogue.refresh()
    return answer({"status": "ok"})
