"""Making, replacing and revoking API keys: each with its row in the audit, in one transaction."""

import getpass
import os
import socket
from dataclasses import dataclass
from typing import Final

from taskyard import keys
from taskyard.database import Cursor
from taskyard.errors import ConflictError, NotFoundError
from taskyard.keys import Scope
from taskyard.statements import audit
from taskyard.statements import keys as statements
from taskyard.statements.audit import Action, Deed
from taskyard.statements.keys import KeyShown, NewKey

FIRST: Final = "first"
"""The name of the key that an installation begins with."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who does it at the command line, and on which host."""

    actor: str
    host: str

    @classmethod
    def of_this_process(cls) -> "Person":
        """Return the user of this process; its number where it has no name, as in a container."""
        try:
            name = getpass.getuser()
        except (KeyError, OSError):
            name = str(os.getuid())
        return cls(f"cli:{name}", socket.gethostname())

    def did(self, action: Action, key_id: str, **detail: object) -> Deed:
        """Return what is to be audited."""
        return Deed(self.actor, action, key_id=key_id, detail={"host": self.host, **detail})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a key is to be. It expires `expires_in_s` seconds from now; None: never."""

    name: str
    scopes: frozenset[Scope]
    expires_in_s: float | None = None
    rate_per_s: float | None = None


def create(cursor: Cursor, wish: Wish, by: Person) -> str:
    """Record a new key and return it; nobody can tell it ever again. Needs a transaction."""
    key = keys.make()
    _record(cursor, key, wish, by)
    audit.record(cursor, [by.did(Action.KEY_CREATE, keys.key_id(key), **_said(wish))])
    return key


def rotate(cursor: Cursor, key_id: str, overlap_s: float, by: Person) -> str:
    """Record a new key with the name, scopes, rate and lifetime of another, and return it. Needs a transaction.

    The old one expires in `overlap_s` seconds, unless it does so earlier.

    Raises:
        NotFoundError: there is no such key.
        ConflictError: it was revoked.
    """
    old = _existing(cursor, key_id)
    if old.revoked_at is not None:
        raise ConflictError(f"the key {key_id} was revoked: create another")
    lifetime_s = None if old.expires_at is None else (old.expires_at - old.created_at).total_seconds()
    wish = Wish(old.name, keys.known(old.scopes), lifetime_s, old.rate_per_s)
    key = keys.make()
    _record(cursor, key, wish, by)
    statements.expire(cursor, key_id, overlap_s)
    audit.record(cursor, [by.did(Action.KEY_ROTATE, key_id, replaced_by=keys.key_id(key), overlap_s=overlap_s)])
    audit.record(cursor, [by.did(Action.KEY_CREATE, keys.key_id(key), replaces=key_id, **_said(wish))])
    return key


def revoke(cursor: Cursor, key_id: str, by: Person) -> bool:
    """Revoke a key; return whether it was not revoked yet. Needs a transaction.

    Raises:
        NotFoundError: there is no such key.
    """
    _existing(cursor, key_id)
    changed = statements.revoke(cursor, key_id)
    if changed:
        audit.record(cursor, [by.did(Action.KEY_REVOKE, key_id)])
    return changed


def record_first(cursor: Cursor, key: str, by: Person) -> bool:
    """Record a given key with the scope `admin`; return whether it was not there yet. Needs a transaction.

    Raises:
        InvalidError: it has not the form of a key.
        ConflictError: another key has its id.
    """
    keys.check(key, "TASKYARD_FIRST_KEY")
    key_id = keys.key_id(key)
    wish = Wish(FIRST, frozenset({Scope.ADMIN}))
    if statements.insert(cursor, _new(key, wish, by)):
        audit.record(cursor, [by.did(Action.KEY_CREATE, key_id, **_said(wish))])
        return True
    if not keys.matches(key, statements.credentials(cursor, [key_id])[key_id].hash):
        raise ConflictError(f"TASKYARD_FIRST_KEY begins as another key does, with {key_id}: choose another")
    return False


def _record(cursor: Cursor, key: str, wish: Wish, by: Person) -> None:
    if not statements.insert(cursor, _new(key, wish, by)):
        raise ConflictError("the id of the new key is taken, by a rare chance: try again")


def _new(key: str, wish: Wish, by: Person) -> NewKey:
    return NewKey(
        keys.key_id(key), keys.digest(key), wish.name, wish.scopes, by.actor, wish.expires_in_s, wish.rate_per_s
    )


def _existing(cursor: Cursor, key_id: str) -> KeyShown:
    found = statements.shown(cursor, key_id)
    if not found:
        raise NotFoundError(f"there is no key {key_id}; `taskyard keys list` shows all")
    return found[0]


def _said(wish: Wish) -> dict[str, object]:
    return {
        "name": wish.name,
        "scopes": sorted(wish.scopes),
        "expires_in_s": wish.expires_in_s,
        "rate_per_s": wish.rate_per_s,
    }
