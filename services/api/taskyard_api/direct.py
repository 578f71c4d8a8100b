"""A shorter way to what is asked for most, past what FastAPI does for all that endpoints may ask for.

    Gate ─▶ plainly good, and of a way? ─▶ the way ─▶ answer
                     │ no
                     └──▶ FastAPI, which says what is wrong with it

A way calls what its endpoint calls, and the endpoint is declared as any other: so is the OpenAPI document made. Nothing
is refused here but by what both call. Whatever is not as it should be goes FastAPI's way from its beginning, and so
both answer alike.
"""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from fastapi import Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from taskyard.errors import TaskyardError
from taskyard.keys import Scope
from taskyard_api.access import Caller, caller_in
from taskyard_api.parts import Parts
from taskyard_api.problems import told

M = TypeVar("M", bound=BaseModel)

_BY_ID: Final = "/{task_id}"
_ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


@dataclass(slots=True)
class Asked:
    """A request on a way. `task_id` is the one in its path; 0 where there is none."""

    headers: dict[bytes, bytes]
    parts: Parts
    caller: Caller
    task_id: int
    body: "_Body"

    async def document(self, model: type[M]) -> tuple[M, int] | None:
        """Return the body as `model`, and its bytes; None where it is not one, or not plainly said to be JSON."""
        if self.headers.get(b"content-type") != b"application/json":
            return None
        body = await self.body.whole()
        if body is None:
            return None
        try:
            return model.model_validate(json.loads(body)), len(body)
        except (ValueError, RecursionError):
            return None

    def header(self, name: bytes) -> str | None:
        """Return a header as text, if it was sent."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Way:
    """What answers requests directly, for callers that have `scope`; by None it sends one on to FastAPI.

    `path` is the one that the endpoint is declared with, and logged and counted by; it may end with a task's id.
    """

    method: str
    path: str
    scope: Scope
    take: Callable[[Asked], Awaitable[Response | None]]


class Direct:
    """The innermost layer in front of FastAPI."""

    def __init__(self, app: ASGIApp, *, parts: Parts, ways: Sequence[Way]) -> None:
        self._app = app
        self._parts = parts
        self._by_id = {(way.method, way.path.removesuffix(_BY_ID)): way for way in ways if way.path.endswith(_BY_ID)}
        self._ways = {(way.method, way.path): way for way in ways if not way.path.endswith(_BY_ID)}

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request, or have FastAPI do so."""
        way, task_id = self._way(scope) if scope["type"] == "http" else (None, 0)
        if way is None or not (caller := caller_in(scope)).may(way.scope):
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        headers = dict(scope["headers"])
        scope["route"] = way
        answer: Response | None = None
        if len(headers) == len(scope["headers"]):  # of one that is sent twice, FastAPI says which counts
            try:
                answer = await way.take(Asked(headers, self._parts, caller, task_id, body))
            except (TaskyardError, HTTPException) as error:
                answer = told(error)
        if answer is None:
            await self._app(scope, body.receive, send)
        else:
            await answer(scope, receive, send)

    def _way(self, scope: AsgiScope) -> tuple[Way | None, int]:
        """Return the way of a request and the id in its path."""
        method, path = scope["method"], scope["path"]
        if scope["query_string"]:
            return None, 0
        if way := self._ways.get((method, path)):
            return way, 0
        parent, _, last = path.rpartition("/")
        if (way := self._by_id.get((method, parent))) and _ID.fullmatch(last):
            return way, int(last)
        return None, 0


class _Body:
    """The body of a request, which can be received again from its beginning after it was read."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._received: list[Message] = []

    async def whole(self) -> bytes | None:
        """Read all of it; None where the client leaves before its end."""
        while True:
            message = await self._receive()
            self._received.append(message)
            if message["type"] != "http.request":
                return None
            if not message.get("more_body", False):
                return b"".join(one.get("body", b"") for one in self._received)

    async def receive(self) -> Message:
        """Receive what was read once more, then what is yet to come."""
        return self._received.pop(0) if self._received else await self._receive()
