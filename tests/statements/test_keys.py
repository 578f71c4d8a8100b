"""Keys: only their hashes are recorded, they are judged by the database's clock, and each change is audited with it."""

import pytest

from statements import factories as f
from taskyard import issuing, keys
from taskyard.errors import ConflictError, InvalidError, NotFoundError
from taskyard.issuing import Person, Wish
from taskyard.keys import Scope
from taskyard.statements import audit
from taskyard.statements import keys as statements
from taskyard.statements.audit import Filter

SOMEBODY = Person("cli:somebody", "a-host")
READER = Wish("reader", frozenset({Scope.TASKS_READ}))


def _do(session, change, *args):
    with session.transaction() as cursor:
        return change(cursor, *args)


def _audited(session) -> list[tuple[str, str, str | None]]:
    entries = session.run(audit.page, Filter(), 50).entries
    return [(entry.actor, entry.action, entry.key_id) for entry in entries]


def test_a_key_is_recorded_by_its_hash_alone(session):
    key = _do(session, issuing.create, READER, SOMEBODY)
    assert keys.is_key(key)
    [row] = f.rows(session, "SELECT row_to_json(api_keys)::text FROM api_keys")
    assert key[:12] in row[0]
    assert key[12:] not in row[0]
    found = session.run(statements.credentials, [key[:12]])[key[:12]]
    assert keys.matches(key, found.hash)
    assert not keys.matches(keys.make(), found.hash)
    assert (found.scopes, found.valid_s, found.is_revoked) == (READER.scopes, None, False)
    assert _audited(session) == [("cli:somebody", "key.create", key[:12])]
    assert key[12:] not in str(session.run(audit.page, Filter(), 50))


def test_nothing_matches_a_key_that_is_not_recorded():
    assert not keys.matches(keys.make(), None)


def test_no_two_keys_are_alike():
    assert len({keys.make()[:12] for _ in range(1000)}) == 1000


def test_rotating_gives_a_key_alike_and_an_end_to_the_old(session):
    wish = Wish("shop", frozenset({Scope.TASKS_WRITE, Scope.TASKS_READ}), expires_in_s=1000, rate_per_s=5)
    old = _do(session, issuing.create, wish, SOMEBODY)[:12]
    new = _do(session, issuing.rotate, old, 60, SOMEBODY)[:12]
    found = session.run(statements.credentials, [old, new])
    assert found[new].scopes == found[old].scopes == wish.scopes
    assert found[new].rate_per_s == 5
    assert 990 < found[new].valid_s <= 1000
    assert 50 < found[old].valid_s <= 60
    assert [entry[1:] for entry in _audited(session)] == [
        ("key.create", new),
        ("key.rotate", old),
        ("key.create", old),
    ]


def test_an_overlap_never_prolongs_a_key(session):
    old = _do(session, issuing.create, Wish("short", READER.scopes, expires_in_s=10), SOMEBODY)[:12]
    _do(session, issuing.rotate, old, 1000, SOMEBODY)
    assert session.run(statements.credentials, [old])[old].valid_s <= 10


def test_a_key_is_revoked_once_and_not_rotated_then(session):
    key_id = _do(session, issuing.create, READER, SOMEBODY)[:12]
    assert _do(session, issuing.revoke, key_id, SOMEBODY) is True
    assert _do(session, issuing.revoke, key_id, SOMEBODY) is False
    assert session.run(statements.credentials, [key_id])[key_id].is_revoked
    with pytest.raises(ConflictError, match="revoked"):
        _do(session, issuing.rotate, key_id, 0, SOMEBODY)
    assert [entry[1] for entry in _audited(session)] == ["key.revoke", "key.create"]
    for change in (issuing.revoke, lambda cursor, id_, by: issuing.rotate(cursor, id_, 0, by)):
        with pytest.raises(NotFoundError, match="no-such-key"):
            _do(session, change, "no-such-key", SOMEBODY)


def test_a_change_that_fails_leaves_no_row_in_the_audit(session):
    def failing(cursor):
        issuing.create(cursor, READER, SOMEBODY)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        _do(session, failing)
    assert _audited(session) == []
    assert session.run(statements.shown) == []


def test_the_first_key_is_recorded_once(session):
    key = "a-first-key-" + "x" * 40
    assert _do(session, issuing.record_first, key, SOMEBODY) is True
    assert _do(session, issuing.record_first, key, SOMEBODY) is False
    [shown] = session.run(statements.shown)
    assert (shown.id, shown.name, shown.scopes) == ("a-first-key-", "first", ["admin"])
    with pytest.raises(ConflictError, match="a-first-key-"):
        _do(session, issuing.record_first, "a-first-key-" + "y" * 40, SOMEBODY)
    with pytest.raises(InvalidError) as short:
        _do(session, issuing.record_first, "too-short", SOMEBODY)
    assert "too-short" not in str(short.value)
    assert len(_audited(session)) == 1


def test_a_revoked_first_key_does_not_come_back(session):
    key = "a-first-key-" + "x" * 40
    _do(session, issuing.record_first, key, SOMEBODY)
    _do(session, issuing.revoke, key[:12], SOMEBODY)
    assert _do(session, issuing.record_first, key, SOMEBODY) is False
    assert session.run(statements.credentials, [key[:12]])[key[:12]].is_revoked


def test_a_scope_of_a_newer_version_gives_nothing(session):
    key_id = _do(session, issuing.create, READER, SOMEBODY)[:12]
    f.run_sql(session, "UPDATE api_keys SET scopes = '{tasks:read,moon:walk}'")
    assert session.run(statements.credentials, [key_id])[key_id].scopes == {Scope.TASKS_READ}


def test_a_use_is_noted_without_waiting_for_others(session, other_session):
    key_id = _do(session, issuing.create, READER, SOMEBODY)[:12]
    with other_session.transaction() as cursor:
        cursor.execute("SELECT FROM api_keys FOR UPDATE")
        session.run(statements.note_uses, [key_id])
    [shown] = session.run(statements.shown)
    assert shown.last_used_at is None
    session.run(statements.note_uses, [key_id, "unknown"])
    [shown] = session.run(statements.shown)
    assert shown.last_used_at is not None
