"""Secrets are made once, completed where keys are missing, and never changed."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from taskyard_kubernetes.api_server import RefusedError
from taskyard_kubernetes.make_secrets import make, make_all
from taskyard_kubernetes.secrets_spec import ALPHABET, read

SPEC = [
    {
        "name": "rabbitmq",
        "labels": {"app.kubernetes.io/name": "taskyard"},
        "keys": {"password": {"length": 32}, "erlang-cookie": {"length": 64}, "user": {"value": "taskyard"}},
    },
    {"name": "flower", "keys": {"password": {"length": 20}}, "type": "example.com/password"},
]


def _specs(content=SPEC):
    return read(json.dumps(content).encode())


def _values(cluster, name: str) -> dict[str, str]:
    data = cluster.objects["secrets", name]["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def test_what_is_not_there_is_made(server, cluster):
    assert make_all(server, "shop", _specs(), 5) == ["rabbitmq: created", "flower: created"]
    made = _values(cluster, "rabbitmq")
    assert {key: len(value) for key, value in made.items()} == {"password": 32, "erlang-cookie": 64, "user": 8}
    assert made["user"] == "taskyard"
    assert set(made["password"] + made["erlang-cookie"]) <= set(ALPHABET)
    assert cluster.objects["secrets", "rabbitmq"]["metadata"]["labels"] == {"app.kubernetes.io/name": "taskyard"}
    assert cluster.objects["secrets", "flower"]["type"] == "example.com/password"


def test_what_is_there_is_never_changed(server, cluster):
    make_all(server, "shop", _specs(), 5)
    before = json.dumps(list(cluster.objects.values()))
    changed = [{**SPEC[0], "keys": {"password": {"length": 40}, "user": {"value": "other"}}}]
    assert make_all(server, "shop", _specs(changed), 5) == ["rabbitmq: has all its keys"]
    assert json.dumps(list(cluster.objects.values())) == before


def test_keys_that_are_missing_are_added(server, cluster):
    theirs = {"password": base64.b64encode(b"ours").decode(), "more": ""}
    cluster.put("secrets", "rabbitmq", {"labels": {"kept": "yes"}}, type="Opaque", data=theirs)
    assert make(server, "shop", _specs()[0], 5) == "got erlang-cookie, user"
    found = _values(cluster, "rabbitmq")
    assert (found["password"], found["more"], found["user"]) == ("ours", "", "taskyard")
    assert cluster.objects["secrets", "rabbitmq"]["metadata"]["labels"] == {"kept": "yes"}


def test_who_comes_second_takes_what_the_first_made(server, cluster):
    """Between the look and the write another creates the Secret, and again another one adds a key to it."""
    others = iter([{"password": "Zmlyc3Q="}, {"password": "Zmlyc3Q=", "erlang-cookie": "c2Vjb25k"}])

    def another(kind, name):
        if (data := next(others, None)) is not None:
            cluster.put(kind, name, data=data)

    cluster.before_write = another
    assert make(server, "shop", _specs()[0], 30) == "got user"
    assert _values(cluster, "rabbitmq") == {"password": "first", "erlang-cookie": "second", "user": "taskyard"}


def test_a_server_that_fails_is_asked_again_and_one_that_forbids_is_not(server, cluster):
    cluster.failing = 2
    assert make(server, "shop", _specs()[1], 30) == "created"
    with pytest.raises(RefusedError, match="403"):
        make(server, "elsewhere", _specs()[1], 30)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"password": {}},
        {"password": {"length": 5}},
        {"password": {"length": 20, "value": "s3cret"}},
        {"a": {"b": 1}},
    ],
)
def test_a_file_that_asks_for_something_else_is_refused_without_its_values(keys):
    with pytest.raises(ValidationError) as raised:
        _specs([{"name": "flower", "keys": keys}])
    assert "s3cret" not in str(raised.value)


def test_the_command_says_what_it_did_and_shows_no_value(cluster, tmp_path):
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps(SPEC))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).parent / "taskyard-kubernetes", "make-secrets", *words],
            env={**os.environ, "TASKYARD_KUBERNETES_URL": cluster.url, "TASKYARD_GUARD_NAMESPACE": "shop"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    ran = run(str(file))
    assert (ran.returncode, ran.stdout) == (0, "rabbitmq: created\nflower: created\n")
    assert run(str(file)).stdout == "rabbitmq: has all its keys\nflower: has all its keys\n"
    file.write_text("[")
    ran = run(str(file))
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False)
