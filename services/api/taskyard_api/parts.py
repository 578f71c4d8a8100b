"""What the endpoints work with, built once by the composition root and handed to each request."""

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request, Response

from taskyard_api.catalogue import Catalogue
from taskyard_api.keyring import Keyring
from taskyard_api.lookups import Lookups
from taskyard_api.metrics import ApiMetrics
from taskyard_api.readers import Readers
from taskyard_api.submissions import Checker
from taskyard_api.waker import Waker
from taskyard_api.watcher import Watcher
from taskyard_api.writer import Writer


@dataclass(frozen=True, slots=True)
class Parts:
    """The working parts of one API process."""

    writer: Writer
    readers: Readers
    lookups: Lookups
    keyring: Keyring
    catalogue: Catalogue
    checker: Checker
    watcher: Watcher
    waker: Waker
    metrics: ApiMetrics


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]


def answer(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return `document` (dataclasses, dates and all) as JSON."""
    body = orjson.dumps(document, option=orjson.OPT_UTC_Z)
    return Response(body, int(status), headers, "application/json")
