"""The kinds and queues that can be submitted to, kept at hand and looked up anew every few seconds."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final

from jsonschema import Draft202012Validator

from taskyard.database import Cursor
from taskyard.errors import Fault, InvalidError
from taskyard.redaction import REDACTED, Redaction
from taskyard.statements import kinds, queues
from taskyard.statements.kinds import CataloguedKind
from taskyard_api.metrics import UNKNOWN, SubmissionMetrics
from taskyard_api.readers import Readers

_FRESH_S: Final = 2.0
_MISSED_S: Final = 0.2
_FAULTS: Final = 10
_MESSAGE_CHARS: Final = 300
_COPIED: Final = f"is {REDACTED!r}, as answers show what is secret: send the value, or leave the payload as it is"
_WHOLE: Final = Redaction((), whole=True)


class CheckedKind:
    """A kind of the catalogue with the validator of its payloads."""

    def __init__(self, entry: CataloguedKind) -> None:
        self.entry = entry
        self.redaction = Redaction(entry.redact)
        self._validator = Draft202012Validator(entry.payload_schema)

    def check(self, payload: Mapping[str, Any], field: str) -> None:
        """Raise `InvalidError` with the first few places where `payload` breaks the kind's JSON Schema.

        It does not say what stands in a secret member. `REDACTED` in one is a fault, too: it was copied from an answer.
        """
        copied = (Fault(place, _COPIED) for place in self.redaction.places(payload, field))
        if faults := list(islice(chain(copied, self._broken_rules(payload, field)), _FAULTS)):
            raise InvalidError(*faults)

    def _broken_rules(self, payload: Mapping[str, Any], field: str) -> Iterator[Fault]:
        secrets = self.redaction.secrets(payload)
        for error in self._validator.iter_errors(payload):
            is_secret = self.redaction.covers(tuple(error.absolute_path))
            message = f"is secret, and breaks the rule {error.validator!r}" if is_secret else error.message
            yield Fault(field + _path(error.absolute_path), secrets.scrub(message)[:_MESSAGE_CHARS])


class Catalogue:
    """What the record said lately of kinds and queues."""

    def __init__(self, readers: Readers, metrics: SubmissionMetrics) -> None:
        self._readers = readers
        self._metrics = metrics
        self._kinds: dict[str, CheckedKind] = {}
        self._queues: list[str] = []
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def kind(self, name: str, field: str) -> CheckedKind:
        """Return the kind `name`.

        Raises:
            InvalidError: there is none of that name; lists those that there are, for the field `field`.
        """
        await self._refresh(_FRESH_S)
        if name not in self._kinds:
            await self._refresh(_MISSED_S)
        if name not in self._kinds:
            raise InvalidError(
                Fault(field, f"no worker has announced the kind {name!r}; known are: {_listed(self._kinds)}")
            )
        return self._kinds[name]

    async def redaction(self, kind: str) -> Redaction:
        """Return what is secret in the documents of `kind`; all of it where nobody announced such a kind."""
        await self._refresh(_FRESH_S)
        known = self._kinds.get(kind)
        return _WHOLE if known is None else known.redaction

    async def check_queue(self, name: str, field: str) -> None:
        """Raise `InvalidError` where there is no queue `name`."""
        await self._refresh(_FRESH_S)
        if name not in self._queues:
            await self._refresh(_MISSED_S)
        if name not in self._queues:
            raise InvalidError(Fault(field, f"there is no queue {name!r}; known are: {_listed(self._queues)}"))

    def place(self, kind: str, queue: str | None) -> tuple[str, str]:
        """Return the kind and queue that a submission names, as metrics have them: what is unknown says so.

        Asks nobody: judges by what was read last.
        """
        known = self._kinds.get(kind)
        if queue is None:
            return (UNKNOWN, UNKNOWN) if known is None else (kind, known.entry.queue)
        return kind if known else UNKNOWN, queue if queue in self._queues else UNKNOWN

    async def refresh(self) -> None:
        """Read it anew where what is at hand is old, so that the first submission need not wait for it."""
        await self._refresh(_FRESH_S)

    async def _refresh(self, age_s: float) -> None:
        """Read the catalogue again where what is at hand is older than `age_s`."""
        if time.monotonic() - self._read_at < age_s:
            return
        async with self._reading:
            if time.monotonic() - self._read_at < age_s:
                return
            found, self._queues = await self._readers.run(_read)
            self._kinds = {
                name: known
                if (known := self._kinds.get(name)) is not None and known.entry == entry
                else CheckedKind(entry)
                for name, entry in found.items()
            }
            self._read_at = time.monotonic()
            for name, entry in found.items():
                self._metrics.expect(name, entry.queue)


def _read(cursor: Cursor) -> tuple[dict[str, CataloguedKind], list[str]]:
    return kinds.catalogue(cursor), queues.names(cursor)


def _listed(names: Mapping[str, Any] | list[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _path(parts: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
