"""API keys: what they are made of, how they are told apart, and what each may do.

    ty_x3Vq0aB1c | kM0v…
    ─── the id ──┴ secret        the record has the id, and the SHA-256 of the whole

A key is random and long, so one SHA-256 guards it as well as a slow hash guards a password, at no cost per request.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from taskyard.errors import Fault, InvalidError

ID_CHARS: Final = 12
"""How many of a key's first characters are its id, which is no secret."""

_KEY: Final = re.compile(r"[A-Za-z0-9_-]{40,200}")
_NOBODYS_HASH: Final = bytes(32)


class Scope(StrEnum):
    """What a key may do."""

    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    PAYLOAD_READ = "payload:read"
    QUEUES_ADMIN = "queues:admin"
    ADMIN = "admin"


def known(scopes: Iterable[str]) -> frozenset[Scope]:
    """Return those of `scopes` that this version knows."""
    words = set(scopes)
    return frozenset(scope for scope in Scope if scope.value in words)


def implied(scopes: frozenset[Scope]) -> frozenset[Scope]:
    """Return `scopes` with those that they imply: `admin` implies all."""
    return frozenset(Scope) if Scope.ADMIN in scopes else scopes


def make() -> str:
    """Return a new key: 46 characters, 256 random bits."""
    return "ty_" + secrets.token_urlsafe(32)


def is_key(text: str) -> bool:
    """Return whether `text` has the form of a key: 40 to 200 letters, digits, `_` and `-`."""
    return _KEY.fullmatch(text) is not None


def check(text: str, field: str) -> None:
    """Raise `InvalidError`, which does not tell `text`, where it has not the form of a key."""
    if not is_key(text):
        raise InvalidError(Fault(field, "must be 40 to 200 letters, digits, '_' and '-'"))


def key_id(key: str) -> str:
    """Return the id of a key."""
    return key[:ID_CHARS]


def digest(key: str) -> bytes:
    """Return what the record has of a key."""
    return hashlib.sha256(key.encode()).digest()


def matches(key: str, recorded: bytes | None) -> bool:
    """Return whether `recorded` is the digest of `key`. It takes as long where nothing is recorded, None."""
    equal = hmac.compare_digest(digest(key), _NOBODYS_HASH if recorded is None else recorded)
    return equal and recorded is not None
