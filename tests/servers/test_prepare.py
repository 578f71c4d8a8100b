"""The scripts that run before the chart's servers, in the shell of this machine, their folders moved.

What they do with a real server was tried on a cluster; here it is what they refuse, and what they leave behind.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from helm.rendering import render

FOLDERS: Final = (
    "/opt/rabbitmq/plugins",
    "/var/lib/rabbitmq/mnesia",
    "/var/lib/postgresql",
    "/secrets",
    "/topology",
    "/definitions",
    "/etc/rabbitmq",
)
PASSWORDS: Final = {
    "dispatcher-password": "a",
    "worker-password": "e",
    "keda-password": "b",
    "flower-password": "c",
    "admin-password": "d.e_f~g-h",
}
RABBITMQ: Final = {**PASSWORDS, "erlang-cookie": "COOKIE"}
POSTGRESQL: Final = {"postgres-password": "a", "password": "b", "api-password": "c", "worker-password": "d"}

pytestmark = pytest.mark.skipif(shutil.which("getent") is None, reason="the scripts are for Linux")


@cache
def files_of(chart: str) -> dict[str, str]:
    """Return the chart's files as Helm puts them together."""
    [files] = [each["data"] for each in render({}).of_kind("ConfigMap") if f"{chart}.conf" in each["data"]]
    return dict(files)


def prepare(chart: str, root: Path, secrets: dict[str, str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the chart's prepare.sh with its folders below `root`, and this Secret."""
    script = files_of(chart)["prepare.sh"].replace("/tmp/single.log", str(root / "single.log"))
    for folder in FOLDERS:
        (root / folder[1:]).mkdir(parents=True, exist_ok=True)
        script = script.replace(folder, str(root / folder[1:]))
    for key, value in secrets.items():
        (root / "secrets" / key).write_text(value)
    variables = {"PATH": os.environ["PATH"], "SECRET_NAME": "its-secret", "UPGRADE_GUARD": "true", "METRICS": "false"}
    variables |= {"PARTS": "api worker"}
    return subprocess.run(
        ["sh", "-s"],
        input=script,
        env={**variables, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def rabbitmq(
    root: Path, secrets: dict[str, str], version: str = "4.3.6", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Prepare a node of this version, whose name is in DNS."""
    (root / f"opt/rabbitmq/plugins/rabbit-{version}").mkdir(parents=True)
    (root / "topology").mkdir()
    (root / "topology/definitions.json").write_text('{"vhosts": [{"name": "/"}]}')
    (root / "etc/rabbitmq").mkdir(parents=True)
    (root / "etc/rabbitmq/users").write_text(files_of("rabbitmq")["users"])
    home = root / "home"
    home.mkdir()
    return prepare("rabbitmq", root, secrets, HOME=str(home), RABBITMQ_NODENAME="rabbit@localhost", **environment)


def postgresql(root: Path, secrets: dict[str, str], major: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Prepare a server of this major, as its image has it."""
    data = root / f"var/lib/postgresql/{major}/docker"
    return prepare("postgresql", root, secrets, PG_MAJOR=major, PGDATA=str(data), **environment)


def test_a_node_loads_the_topology_first_and_then_its_users(tmp_path: Path) -> None:
    """By the names of the files: a permission names a virtual host, which must be there before."""
    assert rabbitmq(tmp_path, RABBITMQ).returncode == 0
    files = sorted(file.name for file in (tmp_path / "definitions").iterdir())
    assert files == ["definitions.json", "users.json"]


def test_users_have_their_passwords_and_no_more_rights_than_they_need(tmp_path: Path) -> None:
    rabbitmq(tmp_path, RABBITMQ)
    definitions = json.loads((tmp_path / "definitions/users.json").read_text())
    users = {user["name"]: (user["password"], user["tags"]) for user in definitions["users"]}
    rights = {
        entry["user"]: {entry[right] for right in ("configure", "write", "read")}
        for entry in definitions["permissions"]
    }
    assert users == {
        "dispatcher": ("a", ""),
        "worker": ("e", ""),
        "keda": ("b", "management"),
        "flower": ("c", "monitoring"),
        "admin": ("d.e_f~g-h", "administrator"),
    }
    assert rights["keda"] == {"^$"}
    assert rights["flower"] == {r"^(celeryev.*|.*celery[.]pidbox)$"}


def test_a_node_starts_for_the_others_where_the_secret_does_not_know_a_user(tmp_path: Path) -> None:
    """One of somebody's own, made for a version before: who is served by it now is not held up."""
    run = rabbitmq(tmp_path, {key: value for key, value in RABBITMQ.items() if key != "worker-password"})
    assert run.returncode == 0
    assert "the Secret its-secret has no key 'worker-password': no user worker" in run.stderr
    definitions = json.loads((tmp_path / "definitions/users.json").read_text())
    assert {user["name"] for user in definitions["users"]} == {"dispatcher", "keda", "flower", "admin"}


def test_passwords_and_cookie_are_for_their_owner_alone(tmp_path: Path) -> None:
    rabbitmq(tmp_path, RABBITMQ)
    for file in (tmp_path / "home/.erlang.cookie", tmp_path / "definitions/users.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("key", sorted(RABBITMQ))
@pytest.mark.parametrize("value", ["", "a/b", "a@b", 'a"b', "a b", "a\nb", "a\n", "ä"])
def test_a_node_refuses_what_does_not_fit_into_a_url(tmp_path: Path, key: str, value: str) -> None:
    """And says which key of which Secret it is, but not what it holds."""
    run = rabbitmq(tmp_path, RABBITMQ | {key: value})
    assert run.returncode == 1
    assert f"'{key}' of the Secret its-secret" in run.stderr
    assert not (tmp_path / "definitions/users.json").exists()


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    run = rabbitmq(tmp_path, PASSWORDS)
    assert run.returncode == 1
    assert "the Secret its-secret has no key 'erlang-cookie'" in run.stderr


@pytest.mark.parametrize(
    ("noted", "version", "taken_over"),
    [
        ("4.3.1", "4.3.6", True),
        ("4.3.6", "4.3.1", True),
        ("4.2.9", "4.3.6", True),
        ("4.9.0", "4.10.2", True),
        ("4.1.8", "4.3.6", False),
        ("4.4.0", "4.3.6", False),
        ("3.13.7", "4.3.6", False),
    ],
)
def test_a_node_goes_up_one_minor_at_a_time_and_never_back(
    tmp_path: Path, noted: str, version: str, *, taken_over: bool
) -> None:
    note = tmp_path / "var/lib/rabbitmq/mnesia/.last-version"
    note.parent.mkdir(parents=True)
    note.write_text(noted + "\n")
    run = rabbitmq(tmp_path, RABBITMQ, version)
    assert (run.returncode == 0) is taken_over
    assert note.read_text() == (version if taken_over else noted) + "\n"
    assert taken_over or f"last used by RabbitMQ {noted}; {version} cannot" in run.stderr


def test_the_guard_can_be_overruled(tmp_path: Path) -> None:
    note = tmp_path / "var/lib/rabbitmq/mnesia/.last-version"
    note.parent.mkdir(parents=True)
    note.write_text("4.1.8\n")
    assert rabbitmq(tmp_path, RABBITMQ, UPGRADE_GUARD="false").returncode == 0
    assert note.read_text() == "4.3.6\n"


@pytest.mark.parametrize("folder", ["17/docker", "18/docker", "data", "data/pgdata"])
def test_postgresql_begins_no_empty_database_beside_another(tmp_path: Path, folder: str) -> None:
    there = tmp_path / "var/lib/postgresql" / folder / "PG_VERSION"
    there.parent.mkdir(parents=True)
    there.write_text("17\n")
    run = postgresql(tmp_path, POSTGRESQL, "19")
    assert run.returncode == 1
    assert "has data of PostgreSQL 17" in run.stderr
    assert "set postgresql.image.tag to 17.x" in run.stderr
    assert not (tmp_path / "var/lib/postgresql/19").exists()


@pytest.mark.parametrize("key", sorted(POSTGRESQL))
@pytest.mark.parametrize("value", ["", "a'b", "a$b", "a:b"])
def test_postgresql_refuses_what_does_not_fit_into_a_url(tmp_path: Path, key: str, value: str) -> None:
    run = postgresql(tmp_path, POSTGRESQL | {key: value}, "18")
    assert run.returncode == 1
    assert f"'{key}' of the Secret its-secret" in run.stderr
    assert not (tmp_path / "var/lib/postgresql/18").exists()


@pytest.fixture
def statements(tmp_path: Path) -> Path:
    """Where `postgres --single`, which is not on this machine, writes what it is told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    told = tmp_path / "statements"
    server = folder / "postgres"
    server.write_text(f"#!/bin/sh\ncat >> {told}\n")
    server.chmod(0o755)
    return told


def test_postgresql_gets_a_login_for_each_part_whose_password_is_there(tmp_path: Path, statements: Path) -> None:
    data = tmp_path / "var/lib/postgresql/18/docker"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("18\n")
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    run = postgresql(tmp_path, POSTGRESQL, "18", PATH=path, PARTS="api worker guard")
    assert run.returncode == 0, run.stderr
    told = statements.read_text()
    logins = dict(re.findall(r"^ALTER ROLE (\w+) LOGIN PASSWORD '(.*)'$", told, re.MULTILINE))
    assert logins == {"postgres": "a", "taskyard": "b", "taskyard_api": "c", "taskyard_worker": "d"}
    assert "has no key 'guard-password': no login taskyard_guard" in run.stderr


@pytest.mark.parametrize("chart", ["postgresql", "rabbitmq"])
def test_shellcheck_finds_nothing(chart: str) -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    command = [checker, "--shell", "sh", "-"]
    done = subprocess.run(command, input=files_of(chart)["prepare.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
