"""A shorter way to the endpoints that are called most, past what FastAPI does for all that endpoints may ask for.

    a good request ─▶ JSON ─▶ model ─▶ endpoint
    any other      ─▶ FastAPI, which says what is wrong with it

The endpoint is declared as any other, and so is the OpenAPI document made. Nothing is refused here: what is not as it
should be goes FastAPI's way from its beginning, and so both ways answer alike.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from taskyard.keys import Scope
from taskyard_api.access import caller_of
from taskyard_api.parts import parts_of

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def direct(scope: str) -> type[APIRoute]:
    """Return the class of routes whose endpoints take a model, the request, the parts, the caller and a key.

    The key is the header Idempotency-Key. Callers need `scope`, which the router asks for besides.
    """
    needed = Scope(scope)

    class DirectRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            declared = super().get_route_handler()
            endpoint = self.endpoint
            model: type[BaseModel] = next(iter(get_type_hints(endpoint).values()))

            async def handle(request: Request) -> Response:
                caller = caller_of(request)
                document = await _document(request, model) if caller.may(needed) else None
                if document is None:
                    return await declared(request)
                key = request.headers.get("idempotency-key")
                answer: Response = await endpoint(document, request, parts_of(request), caller, key)
                return answer

            return handle

    return DirectRoute


async def _document(request: Request, model: type[BaseModel]) -> BaseModel | None:
    """Return the body as `model`; None where it is not one, not whole, or not plainly said to be JSON."""
    if request.headers.get("content-type") != "application/json":
        return None
    try:
        return model.model_validate(json.loads(await request.body()))
    except (ValueError, RecursionError, ClientDisconnect):
        return None
