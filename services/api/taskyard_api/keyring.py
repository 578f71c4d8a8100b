"""The keys that were used lately, kept at hand, so that a request need not ask the database for its own.

    a request's key ─▶ at hand and fresh? ─▶ compare hashes ─▶ credential
                            │ no
                            ▼
                    one lookup at a time, for all ids that are wanted then

However many requests come with keys that nobody knows, they occupy one connection.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from taskyard import keys
from taskyard.errors import KeyRefusedError, TaskyardError
from taskyard.statements import keys as statements
from taskyard.statements.keys import Credential
from taskyard_api.readers import Readers

_KEPT: Final = 10_000
_NOTE_S: Final = 60.0
"""Seconds between two notes of which keys were used."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    credential: Credential
    read_at: float


class Keyring:
    """Judges keys. What it knows of one is at most `fresh_s` old, and so a revoked key is refused after that."""

    def __init__(self, readers: Readers, fresh_s: float) -> None:
        self._readers = readers
        self._fresh_s = fresh_s
        self._held: dict[str, _Held] = {}
        self._wanted: dict[str, asyncio.Future[_Held | None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._used: set[str] = set()
        self._noting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start noting which keys are used; to be called in the event loop."""
        self._noting = asyncio.create_task(self._note())

    async def stop(self) -> None:
        """End noting, with a last note."""
        if self._noting is not None:
            self._noting.cancel()
            with suppress(asyncio.CancelledError):
                await self._noting
        await self._note_uses()

    async def judge(self, key: str) -> Credential:
        """Return what the record says of `key`, which is valid.

        Takes as long for an id that nobody has as for another secret.

        Raises:
            KeyRefusedError: it is not.
            UnavailableError, OverloadedError: it was to be looked up, and could not be.
        """
        if not keys.is_key(key):
            raise KeyRefusedError("what was sent is no key of Taskyard", was_sent=True)
        held = await self._find(keys.key_id(key))
        if not keys.matches(key, None if held is None else held.credential.hash) or held is None:
            raise KeyRefusedError("the key is not known", was_sent=True)
        credential = held.credential
        if credential.is_revoked:
            raise KeyRefusedError(f"the key {credential.id} was revoked", was_sent=True)
        if credential.valid_s is not None and time.monotonic() - held.read_at >= credential.valid_s:
            raise KeyRefusedError(f"the key {credential.id} has expired", was_sent=True)
        self._used.add(credential.id)
        return credential

    async def _find(self, key_id: str) -> _Held | None:
        held = self._held.get(key_id)
        age_s = float("inf") if held is None else time.monotonic() - held.read_at
        if held is not None and age_s < self._fresh_s:
            if age_s > self._fresh_s / 2:  # nobody need wait for a key that is in use
                self._want(key_id)
            return held
        return await asyncio.shield(self._want(key_id))

    def _want(self, key_id: str) -> "asyncio.Future[_Held | None]":
        """Have a key looked up, together with all others that are wanted by then."""
        future = self._wanted.get(key_id)
        if future is None:
            future = self._wanted[key_id] = asyncio.get_running_loop().create_future()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return future

    async def _look(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            read_at = time.monotonic()
            try:
                found = await self._readers.run(statements.credentials, list(wanted))
            except Exception as error:  # noqa: BLE001 - whoever waits is told, whatever it is
                for future in wanted.values():
                    future.set_exception(error)
                    future.exception()  # it may be that nobody waits
                continue
            if len(self._held) > _KEPT:
                self._held.clear()
            for key_id, future in wanted.items():
                self._held.pop(key_id, None)
                if key_id in found:
                    self._held[key_id] = _Held(found[key_id], read_at)
                future.set_result(self._held.get(key_id))

    async def _note(self) -> None:
        while True:
            await asyncio.sleep(_NOTE_S)
            await self._note_uses()

    async def _note_uses(self) -> None:
        used, self._used = self._used, set()
        if not used:
            return
        try:
            await self._readers.run(statements.note_uses, used)
        except TaskyardError as error:
            log.debug("uses of keys were not noted", error=str(error))
