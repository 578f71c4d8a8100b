"""Statements about API keys. A key itself is never in the record, only its hash; see `taskyard.keys`."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from taskyard.database import Cursor
from taskyard.keys import Scope, known

_COLUMNS: Final = "id, name, scopes, rate_per_s, created_at, created_by, expires_at, revoked_at, last_used_at"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be recorded. It expires `expires_in_s` from now, or never, and may send `rate_per_s` requests."""

    id: str
    hash: bytes
    name: str
    scopes: frozenset[Scope]
    created_by: str
    expires_in_s: float | None = None
    rate_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class KeyShown:
    """What is told of a key: all but its hash. The attributes are columns of `api_keys`."""

    id: str
    name: str
    scopes: list[str]
    rate_per_s: float | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request is judged by. `valid_s` is how long the key is still valid, by the database's clock; None: ever.

    Scopes that this version does not know are left out.
    """

    id: str
    hash: bytes
    scopes: frozenset[Scope]
    rate_per_s: float | None
    valid_s: float | None
    is_revoked: bool


def insert(cursor: Cursor, key: NewKey) -> bool:
    """Record a key; return whether its id was free. Waits for a transaction that is just recording the same id."""
    cursor.execute(
        """
        INSERT INTO api_keys (id, hash, name, scopes, created_by, rate_per_s, expires_at)
        VALUES (%s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))
            ON CONFLICT (id) DO NOTHING
        """,
        (key.id, key.hash, key.name, sorted(key.scopes), key.created_by, key.rate_per_s, key.expires_in_s),
    )
    return cursor.rowcount == 1


def credentials(cursor: Cursor, ids: Collection[str]) -> dict[str, Credential]:
    """Return what is known of the keys with these `ids`, found by the primary key. Locks nothing."""
    cursor.execute(
        """
        SELECT id, hash, scopes, rate_per_s, extract(epoch FROM expires_at - now())::double precision,
               revoked_at IS NOT NULL
          FROM api_keys WHERE id = ANY(%s)
        """,
        (list(ids),),
    )
    return {
        id_: Credential(id_, bytes(hash_), known(scopes), rate_per_s, valid_s, is_revoked)
        for id_, hash_, scopes, rate_per_s, valid_s, is_revoked in cursor.fetchall()
    }


def shown(cursor: Cursor, key_id: str | None = None) -> list[KeyShown]:
    """Return all keys, or the one with this id, oldest first. Locks nothing."""
    where = "" if key_id is None else "WHERE id = %(id)s"
    cursor.execute(f"SELECT {_COLUMNS} FROM api_keys {where} ORDER BY created_at, id", {"id": key_id})
    return [KeyShown(*row) for row in cursor.fetchall()]


def revoke(cursor: Cursor, key_id: str) -> bool:
    """Revoke a key from now on; return whether it was there and not revoked yet. Locks its row."""
    cursor.execute("UPDATE api_keys SET revoked_at = now() WHERE id = %s AND revoked_at IS NULL", (key_id,))
    return cursor.rowcount == 1


def expire(cursor: Cursor, key_id: str, in_s: float) -> None:
    """Have a key expire `in_s` seconds from now, unless it does so earlier. Locks its row."""
    cursor.execute(
        "UPDATE api_keys SET expires_at = least(expires_at, now() + make_interval(secs => %s)) WHERE id = %s",
        (in_s, key_id),
    )


def note_uses(cursor: Cursor, ids: Iterable[str]) -> None:
    """Note that keys were used just now. A row that another process notes at the same time is left to it.

    Does not wait for the disk: losing it in a crash is repaired by the next use.
    """
    cursor.execute(
        """
        WITH used AS (SELECT id FROM api_keys WHERE id = ANY(%s) FOR NO KEY UPDATE SKIP LOCKED),
             noted AS (UPDATE api_keys SET last_used_at = now() FROM used WHERE api_keys.id = used.id)
        SELECT set_config('synchronous_commit', 'off', true)
        """,
        (sorted(ids),),
    )
