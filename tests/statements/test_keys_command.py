"""`taskyard keys`, and the first key of `taskyard migrate`, as they are typed."""

import getpass

import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from taskyard import cli, keys
from taskyard.grants import WORKER
from taskyard.statements import audit
from taskyard.statements import keys as statements
from taskyard.statements.audit import Filter


@pytest.fixture
def run(database_url, monkeypatch):
    """Run the command with words, on the test's database; return its result."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    return lambda *words: CliRunner().invoke(cli.app, words)


@pytest.fixture
def owner_runs(session):
    """Run a statement as the owner of the tables."""
    return lambda statement: session.run(lambda cursor: cursor.execute(statement))


def _listed(run) -> list[str]:
    result = run("keys", "list")
    assert result.exit_code == 0
    return result.stdout.splitlines()


def test_a_key_is_printed_alone_and_once(run, session):
    made = run(
        "keys", "create", "--name", "a shop", "--scope", "tasks:write", "--scope", "tasks:read", "--rate-per-s", "5"
    )
    key = made.stdout.strip()
    assert (made.exit_code, keys.is_key(key)) == (0, True)
    assert key[:12] in made.stderr
    assert key not in made.stderr
    heading, line = _listed(run)
    assert heading.split()[:3] == ["ID", "NAME", "SCOPES"]
    assert line.startswith(f"{key[:12]}  a shop  tasks:read,tasks:write  valid")
    assert line.split()[-3:] == ["never", "never", "5"]
    assert key[12:] not in line
    [entry] = session.run(audit.page, Filter(), 50).entries
    assert (entry.actor, entry.detail["name"]) == (f"cli:{getpass.getuser()}", "a shop")


def test_keys_are_rotated_and_revoked_by_their_ids(run):
    old = run("keys", "create", "--name", "n", "--scope", "admin", "--expires-in-s", "3600").stdout[:12]
    rotated = run("keys", "rotate", old, "--overlap-s", "60")
    new = rotated.stdout[:12]
    assert f"The key {old} expires in 60 s" in rotated.stderr
    assert run("keys", "revoke", old).stdout == f"The key {old} is revoked.\n"
    assert run("keys", "revoke", old).stdout == f"The key {old} was revoked already.\n"
    states = {line.split()[0]: line.split()[3] for line in _listed(run)[1:]}
    assert states == {old: "revoked", new: "valid"}
    for words in (("rotate", old), ("revoke", "ty_nobodys"), ("rotate", "ty_nobodys")):
        refused = run("keys", *words)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert f"taskyard keys {words[0]}: " in refused.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--name", "n", "--scope", "no:such"),
        ("--name", "n"),
        ("--scope", "admin"),
        ("--name", "", "--scope", "admin"),
        ("--name", "x" * 201, "--scope", "admin"),
        ("--name", "n", "--scope", "admin", "--expires-in-s", "0"),
        ("--name", "n", "--scope", "admin", "--expires-at", "2001-01-01"),
        ("--name", "n", "--scope", "admin", "--expires-at", "2101-01-01", "--expires-in-s", "5"),
        ("--name", "n", "--scope", "admin", "--rate-per-s", "-1"),
    ],
)
def test_what_makes_no_sense_makes_no_key(run, session, words):
    assert run("keys", "create", *words).exit_code == 2
    assert session.run(statements.shown) == []


def test_a_key_expires_when_it_is_said(run, session):
    run("keys", "create", "--name", "n", "--scope", "admin", "--expires-at", "2101-02-03T04:05:06Z")
    [shown] = session.run(statements.shown)
    assert f"{shown.expires_at:%Y-%m-%d %H:%M}" == "2101-02-03 04:05"


def test_migrating_records_the_first_key_once_and_never_tells_it(run, monkeypatch):
    monkeypatch.setenv("TASKYARD_FIRST_KEY", "chart-" + "secret-" * 6)
    first, second = run("migrate"), run("migrate")
    assert "The first key is recorded." in first.stdout
    assert "The first key is known." in second.stdout
    assert [line.split()[:4] for line in _listed(run)[1:]] == [["chart-secret", "first", "admin", "valid"]]
    monkeypatch.setenv("TASKYARD_FIRST_KEY", "hunter2")
    refused = run("migrate")
    assert (refused.exit_code, "40 to 200" in refused.stderr) == (1, True)
    assert "hunter2" not in first.output + second.output + refused.output


COMMANDS = [
    ("create", "--name", "n", "--scope", "admin"),
    ("list",),
    ("rotate", "ty_nobodys"),
    ("revoke", "ty_nobodys"),
]


def _with(url: str, **parts: str) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)


def _told(result) -> str:
    """Return the one line that a command ended with, without its beginning."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith("taskyard keys ")
    return line.partition(": ")[2]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_what_keeps_from_the_keys_is_told_in_a_line_that_says_what_to_do(
    run, monkeypatch, postgresql, database_url, empty_url, words
):
    owner = make_url(database_url)

    def told(url: str) -> str:
        monkeypatch.setenv("DATABASE_URL", url)
        return _told(run("keys", *words))

    line = told(_with(postgresql.url_of(WORKER), database=owner.database))
    assert "permission denied for table api_keys" in line
    assert "lacks the right" in line
    assert "DATABASE_URL" in line
    wrong = told(_with(database_url, password="not-the-password"))
    assert f'password authentication failed for user "{owner.username}"' in wrong
    assert "DATABASE_URL" in wrong
    assert "not-the-password" not in wrong
    assert "DATABASE_URL" in told(_with(database_url, host="127.0.0.1", port=1))
    assert "taskyard migrate" in told(empty_url)
    monkeypatch.delenv("DATABASE_URL")
    assert "DATABASE_URL" in _told(run("keys", *words))


def test_tables_of_an_older_version_are_to_be_migrated(run, owner_runs):
    owner_runs("ALTER TABLE api_keys DROP COLUMN rate_per_s")
    assert "taskyard migrate" in _told(run("keys", "list"))
