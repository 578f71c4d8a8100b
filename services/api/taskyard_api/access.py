"""Who sends a request, and whether they may do what it asks.

    request ─▶ Gate: is the key valid? 401; does it send too much? 429
            ─▶ requires("tasks:write"): has it the scope? 403
            ─▶ endpoint, its Caller

The gate is in front of all paths but the few that are open, so that what needs no scope by mistake still needs a key,
and stands before the body is read, so that nobody without one has it parsed.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from taskyard.errors import KeyRefusedError, ScopeMissingError, TaskyardError
from taskyard.keys import Scope, implied
from taskyard.statements.audit import Action, Deed
from taskyard_api.keyring import Keyring
from taskyard_api.problems import told
from taskyard_api.rates import Rates

ANONYMOUS: Final = "anonymous"

_OPEN: Final = frozenset({"/", "/docs", "/openapi.json", "/livez", "/readyz"})
_OPEN_BELOW: Final = "/docs/assets/"
_CALLER: Final = "taskyard.caller"
_SCHEME: Final = "key"
_ALL: Final = frozenset(Scope)
_HOW: Final = "an API key, made by `taskyard keys create`"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request. `actor` is the id of the key, or `anonymous`; `source` the address that it came from.

    `rate_per_s` is how many requests the key may send a second; None: the default.
    """

    actor: str
    scopes: frozenset[Scope]
    source: str | None
    request_id: str | None
    rate_per_s: float | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody was asked for a key."""
        return self.actor == ANONYMOUS

    def may(self, scope: Scope) -> bool:
        """Return whether the caller has `scope`."""
        return scope in self.scopes

    def submitted(self, action: Action) -> Deed | None:
        """Return what is to be audited of a submission: only where keys tell who it was."""
        return None if self.is_anonymous else self.did(action)

    def did(
        self,
        action: Action,
        *,
        task_ids: tuple[int, ...] = (),
        queue: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> Deed:
        """Return what is to be audited of something that the caller does."""
        return Deed(
            self.actor,
            action,
            task_ids=task_ids,
            queue=queue,
            source=self.source,
            request_id=self.request_id,
            detail=detail,
        )


class Gate:
    """Finds the caller of each request by its key; with `keyring` None, anybody is `anonymous` and may do all.

    A key that sends more than its rate is refused.
    """

    def __init__(self, app: ASGIApp, *, keyring: Keyring | None, rates: Rates) -> None:
        self._app = app
        self._rates = rates
        self._keyring = keyring

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer with 401 or 429."""
        if scope["type"] == "http" and not _is_open(scope["path"]):
            try:
                scope[_CALLER] = await self._caller(scope)
            except TaskyardError as error:
                await told(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _caller(self, scope: AsgiScope) -> Caller:
        source = (scope.get("client") or (None,))[0]
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        if self._keyring is None:
            return Caller(ANONYMOUS, _ALL, source, request_id)
        credential = await self._keyring.judge(_sent_key(scope))
        structlog.contextvars.bind_contextvars(key_id=credential.id)
        self._rates.take(credential.id, credential.rate_per_s)
        return Caller(credential.id, implied(credential.scopes), source, request_id, credential.rate_per_s)


def requires(scope: str) -> Any:
    """Return the dependency of a route, or a router, that lets in who has `scope`; documented in OpenAPI.

    It raises `ScopeMissingError` for others. To be used as `dependencies=[requires("tasks:write")]`.
    """
    return Security(_ScopeNeeded(Scope(scope)), scopes=[scope])


class _ScopeNeeded(HTTPBearer):
    """A check that is its own description in OpenAPI."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scheme_name=_SCHEME, description=_HOW)
        self._scope = scope

    async def __call__(self, request: Request) -> None:  # type: ignore[override]  # the key itself is judged already
        if not caller_in(request.scope).may(self._scope):
            raise ScopeMissingError(self._scope)


def caller_in(scope: AsgiScope) -> Caller:
    """Return who sends the request of `scope`, which the gate has let in."""
    caller: Caller = scope[_CALLER]
    return caller


async def _caller(request: Request) -> Caller:
    return caller_in(request.scope)


CallerDep = Annotated[Caller, Depends(_caller)]


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_OPEN_BELOW)


def _sent_key(scope: AsgiScope) -> str:
    """Return the key of the header Authorization.

    Raises:
        KeyRefusedError: there is none.
    """
    sent = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, key = sent.decode("latin-1").strip().partition(" ")
    if scheme.lower() != "bearer":
        raise KeyRefusedError("a key is needed: send Authorization: Bearer KEY", was_sent=False)
    return key.strip()
