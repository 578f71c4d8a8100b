"""Each part logs in as itself, to PostgreSQL and to RabbitMQ, and the API lets nobody in without a key."""

import json
import re
from typing import Any

import pytest

from helm.rendering import CHART, ROOT, Object, PodTemplate, Rendering, render, run
from helm.value_sets import each_set, rendering_of, values_of
from taskyard import grants

PARTS = ("api", "dispatcher", "worker", "guard")
KEY = {"secretKeyRef": {"name": "shop-auth", "key": "first-key"}}


def env(container: Object) -> dict[str, Any]:
    """Return the variables of a container: their text, or where they come from."""
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container.get("env", [])}


def containers(rendering: Rendering) -> list[tuple[PodTemplate, Object]]:
    """Return all containers with their pods."""
    return [(pod, container) for pod in rendering.pods for container in pod.containers]


def part(rendering: Rendering, name: str) -> dict[str, Any]:
    """Return the variables of the one container of that name."""
    [found] = [env(container) for _, container in containers(rendering) if container["name"] == name]
    return found


@pytest.mark.parametrize("name", PARTS)
def test_each_part_logs_in_to_postgresql_as_itself(name) -> None:
    """In every one of its containers, with a password that no other part gets."""
    found = [env(container) for pod, container in containers(render({})) if pod.component == name]
    for each in found:
        assert each["DATABASE_URL"].startswith(f"postgresql+psycopg2://taskyard_{name}:$(TASKYARD_DATABASE_PASSWORD)@")
        source = each["TASKYARD_DATABASE_PASSWORD"]["secretKeyRef"]
        assert source == {"name": "shop-postgresql", "key": f"{name}-password"}
    assert len(found) >= 2


def test_the_migration_alone_is_the_owner_of_the_tables() -> None:
    owners = {
        container["name"]
        for _, container in containers(render({"postgresql": {"backup": {"enabled": True}}}))
        for value in env(container).values()
        if isinstance(value, dict) and value.get("secretKeyRef") == {"name": "shop-postgresql", "key": "password"}
    }
    assert owners == {"migrate", "backup"}


def test_the_roles_are_those_that_are_granted_something() -> None:
    [prepare] = [container for _, container in containers(render({})) if "PARTS" in env(container)]
    assert {f"taskyard_{name}" for name in env(prepare)["PARTS"].split()} == set(grants.ROLES)


@pytest.mark.parametrize("name", ["dispatcher", "worker", "flower"])
def test_each_part_logs_in_to_rabbitmq_as_itself(name) -> None:
    found = part(render({}), name)
    assert found["CELERY_BROKER_URL"] == f"amqp://{name}:$(TASKYARD_BROKER_PASSWORD)@shop-rabbitmq:5672/"
    assert found["TASKYARD_BROKER_PASSWORD"]["secretKeyRef"] == {"name": "shop-rabbitmq", "key": f"{name}-password"}


def users_of_the_chart() -> dict[str, tuple[str, ...]]:
    """Return what each user of the chart's RabbitMQ may configure, write and read."""
    lines = (CHART / "charts/rabbitmq/files/users").read_text(encoding="utf-8").splitlines()
    found = [line.split() for line in lines if line and not line.startswith("#")]
    return {name: (configure, write, read) for name, _, configure, write, read in found}


def test_users_may_do_what_they_may_in_a_local_run() -> None:
    """There the tests run with them, and would see what is missing."""
    file = ROOT / "services/core/taskyard/local/definitions.json"
    local = {
        each["user"]: (each["configure"], each["write"], each["read"])
        for each in json.loads(file.read_text(encoding="utf-8"))["permissions"]
    }
    chart = users_of_the_chart()
    shared = ("dispatcher", "worker", "flower")
    assert {name: chart[name] for name in shared} == {name: local[name] for name in shared}


def test_no_user_but_a_person_may_do_everything() -> None:
    assert [name for name, rights in users_of_the_chart().items() if ".*" in rights] == ["admin"]


def test_a_worker_neither_makes_tasks_nor_queues() -> None:
    configure, write, _ = users_of_the_chart()["worker"]
    for name in ("tasks.default", "dlq.tasks", "amq.default", ""):
        assert not re.search(configure, name)
        assert not re.search(write, name)


def test_one_url_for_all_does_where_the_servers_are_elsewhere() -> None:
    rendering = rendering_of("external")
    urls = [
        env(container)["DATABASE_URL"] for _, container in containers(rendering) if "DATABASE_URL" in env(container)
    ]
    assert {tuple(sorted(url["secretKeyRef"].items())) for url in urls} == {(("key", "dsn"), ("name", "our-database"))}
    assert part(rendering, "worker")["CELERY_BROKER_URL"]["secretKeyRef"] == {"name": "our-broker", "key": "amqp"}


@pytest.mark.parametrize(
    ("name", "database", "broker"),
    [
        ("api", ("our-logins", "api"), None),
        ("dispatcher", ("our-logins", "dispatcher"), ("our-amqp", "dispatcher")),
        ("worker", ("our-worker", "database"), ("our-worker", "amqp")),
        ("guard", ("our-logins", "guard"), None),
        ("migrate", ("our-owner", "url"), None),
        ("flower", None, ("our-amqp", "flower")),
    ],
)
def test_or_a_url_for_each_part(name, database, broker) -> None:
    found = part(rendering_of("external-logins"), name)
    for variable, wanted in (("DATABASE_URL", database), ("CELERY_BROKER_URL", broker)):
        source = found.get(variable, {}).get("secretKeyRef")
        assert source == (wanted and {"name": wanted[0], "key": wanted[1]})


def test_or_one_for_each_that_asks_the_management() -> None:
    rendering = rendering_of("external-logins")
    for name, wanted in (("flower", ("our-amqp", "flower-management")), ("definitions", ("our-owner", "management"))):
        source = part(rendering, name)["TASKYARD_BROKER_MANAGEMENT"]["secretKeyRef"]
        assert (source["name"], source["key"]) == wanted
    [keda] = rendering.of_kind("TriggerAuthentication")
    assert keda["spec"]["secretTargetRef"] == [{"parameter": "host", "name": "our-amqp", "key": "keda-management"}]
    [scaled] = rendering.of_kind("ScaledObject")
    assert "host" not in scaled["spec"]["triggers"][0]["metadata"]


def test_operators_take_a_url_for_a_part_too() -> None:
    rendering = rendering_of("operators-existing")
    worker, dispatcher = part(rendering, "worker"), part(rendering, "dispatcher")
    assert worker["DATABASE_URL"]["secretKeyRef"] == {"name": "our-worker", "key": "database"}
    assert worker["CELERY_BROKER_URL"]["secretKeyRef"] == {"name": "our-worker", "key": "amqp"}
    assert dispatcher["DATABASE_URL"]["secretKeyRef"] == {"name": "main-app", "key": "uri"}


@each_set
def test_the_api_asks_for_keys_unless_the_values_say_otherwise(name) -> None:
    mode = values_of(name).get("auth", {}).get("mode", "keys")
    found = part(rendering_of(name), "api")
    assert found["TASKYARD_AUTH"] == mode
    assert ("TASKYARD_AUTH_NONE_ANYWHERE" in found) is (mode == "none")


def test_the_first_key_goes_to_the_migration_and_to_the_test_and_to_nobody_else() -> None:
    got = {container["name"] for _, container in containers(render({})) if KEY in env(container).values()}
    assert got == {"migrate", "test"}
    assert part(render({}), "migrate")["TASKYARD_FIRST_KEY"] == KEY


def test_a_first_key_is_as_long_as_a_key_must_be() -> None:
    [made] = [each for each in render({}).of_kind("Secret") if each["metadata"]["name"] == "shop-auth"]
    [spec] = [
        each
        for each in json.loads(
            render({"secrets": {"mode": "job"}}).get("ConfigMap", "shop-make-secrets")["data"]["secrets.json"]
        )
        if each["name"] == "shop-auth"
    ]
    assert spec["keys"] == {"first-key": {"length": 48}}
    assert made["data"].keys() == spec["keys"].keys()


def test_without_keys_there_is_no_first_one() -> None:
    rendering = render({"auth": {"mode": "none"}})
    assert "shop-auth" not in rendering.text
    assert "TASKYARD_FIRST_KEY" not in part(rendering, "migrate")


def test_where_the_chart_does_not_migrate_it_makes_no_key_that_nobody_would_record() -> None:
    assert "shop-auth" not in render({"migrations": {"enabled": False}, "tests": {"enabled": False}}).text
    rendering = render({"migrations": {"enabled": False}, "auth": {"existingSecret": "mine"}})
    tests = [env(container).get("TEST_KEY") for _, container in containers(rendering) if container["name"] == "test"]
    assert {"secretKeyRef": {"name": "mine", "key": "first-key"}} in tests


@pytest.mark.parametrize("mode", ["keys", "none"])
def test_the_notes_say_how_to_get_a_key(mode) -> None:
    """And whoever reads them may run the lines as they are."""
    values = json.dumps({"auth": {"mode": mode}})
    notes = run("install", "shop", str(CHART), "--dry-run=client", "--values", "-", stdin=values).stdout
    notes = notes.partition("NOTES:")[2]
    assert ("get secret shop-auth" in notes) is (mode == "keys")
    assert ("taskyard keys create" in notes) is (mode == "keys")
    assert ("Authorization: Bearer" in notes) is (mode == "keys")
    assert ("auth.mode is none" in notes) is (mode == "none")
