"""One list of queues: RabbitMQ's definitions, what workers consume and what KEDA asks agree with it, and with the code.

The parts declare the same queues when they start. RabbitMQ refuses a declaration that differs from what is there, so
the definitions must be exactly those of `taskyard.broker`.
"""

import json
import re

from helm.rendering import ROOT, Rendering, render
from helm.value_sets import each_set, rendering_of
from taskyard import broker

LOCAL = json.loads((ROOT / "services/core/taskyard/local/definitions.json").read_text(encoding="utf-8"))


def definitions(rendering: Rendering) -> dict:
    """Return RabbitMQ's definitions, without its users."""
    [made] = [made for made in rendering.of_kind("ConfigMap") if "definitions.json" in made["data"]]
    return json.loads(made["data"]["definitions.json"])


def served(rendering: Rendering) -> set[str]:
    """Return the queues that some pool consumes."""
    return {
        queue
        for pod in rendering.pods
        for container in pod.spec["containers"]
        for variable in container.get("env", [])
        if variable["name"] == "TASKYARD_QUEUES"
        for queue in variable["value"].split(",")
    }


@each_set
def test_what_is_consumed_is_defined(name) -> None:
    """KEDA asks for queues that no worker has declared yet."""
    rendering = rendering_of(name)
    queues = {queue["name"] for queue in definitions(rendering)["queues"]}
    assert {broker.buffer_name(queue) for queue in served(rendering)} <= queues
    asked = {
        trigger["metadata"]["queueName"]
        for made in rendering.of_kind("ScaledObject")
        for trigger in made["spec"]["triggers"]
    }
    assert asked <= queues


def test_what_is_listed_is_defined_and_nothing_else() -> None:
    listed = ["default", "mail", "with.dots", "with-hyphens"]
    rendering = render({"global": {"queues": [{"name": queue} for queue in listed]}})
    found = {queue["name"] for queue in definitions(rendering)["queues"]}
    assert found == {broker.buffer_name(queue) for queue in listed} | {broker.DEAD_LETTER_QUEUE}


@each_set
def test_queues_are_declared_as_the_parts_declare_them(name) -> None:
    rendering = rendering_of(name)
    for queue in definitions(rendering)["queues"]:
        ours = broker.buffer(broker.queue_name(queue["name"]))
        assert queue["arguments"] == ours.queue_arguments
        assert (queue["durable"], queue["auto_delete"]) == (ours.durable, ours.auto_delete)
    dead = broker.dead_letters()
    [exchange] = definitions(rendering)["exchanges"]
    assert (exchange["name"], exchange["type"], exchange["durable"], exchange["auto_delete"]) == (
        dead.exchange.name,
        dead.exchange.type,
        dead.exchange.durable,
        dead.exchange.auto_delete,
    )
    [binding] = definitions(rendering)["bindings"]
    assert (binding["source"], binding["destination"], binding["routing_key"]) == (
        dead.exchange.name,
        dead.name,
        dead.routing_key,
    )


def test_policies_say_what_those_of_the_local_run_say() -> None:
    """All but the consumer timeout, which there is one for all."""
    [local] = LOCAL["policies"]
    [general] = [policy for policy in definitions(render({}))["policies"] if policy["priority"] == 0]
    assert general["pattern"] == local["pattern"]
    assert general["apply-to"] == local["apply-to"]
    kept = {key: value for key, value in general["definition"].items() if key != "consumer-timeout"}
    assert kept == local["definition"]


@each_set
def test_every_queue_has_one_policy_of_its_own(name) -> None:
    """RabbitMQ applies a single policy to a queue, the one of highest priority, and of equals any."""
    made = definitions(rendering_of(name))
    for queue in made["queues"]:
        meant = [policy for policy in made["policies"] if re.search(policy["pattern"], queue["name"])]
        assert all(policy["apply-to"] in {"queues", "quorum_queues"} for policy in meant)
        priorities = sorted(policy["priority"] for policy in meant)
        assert priorities == ([] if queue["name"] == broker.DEAD_LETTER_QUEUE else [0, 1])


def test_a_policy_is_for_its_queue_alone() -> None:
    """A dot in a name is no wildcard, and no name is the beginning of another."""
    rendering = render({"global": {"queues": [{"name": name} for name in ("default", "a.b", "acb", "a", "a.b.c")]}})
    policies = [policy for policy in definitions(rendering)["policies"] if policy["priority"]]
    names = ["tasks.a.b", "tasks.acb", "tasks.a", "tasks.a.b.c", "tasks.default"]
    meant = {name: [policy for policy in policies if re.search(policy["pattern"], name)] for name in names}
    assert {name: len(found) for name, found in meant.items()} == dict.fromkeys(names, 1)


@each_set
def test_definitions_hold_no_user_and_no_password(name) -> None:
    """They are in a ConfigMap."""
    assert not definitions(rendering_of(name)).keys() & {"users", "permissions"}
    assert "password" not in json.dumps(definitions(rendering_of(name)))


def test_all_is_in_one_virtual_host() -> None:
    for name, vhost in (("defaults", "/"), ("external-definitions", "/"), ("external", "tasks")):
        made = definitions(rendering_of(name))
        parts = [part for kind in ("queues", "exchanges", "bindings", "policies") for part in made[kind]]
        assert {part["vhost"] for part in parts} == {vhost}
