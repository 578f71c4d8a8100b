"""What each part's user may not do in RabbitMQ. That it may do what it needs, tests/e2e shows."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any, Final

import amqp
import httpx
import pytest
from celery import Celery

from taskyard.broker import DEAD_LETTER_EXCHANGE, DEAD_LETTER_QUEUE, buffer, celery_app, dead_letters

ROOT: Final = Path(__file__).parents[2]
DEFINITIONS: Final = json.loads(resources.files("taskyard.local").joinpath("definitions.json").read_text())
QUORUM: Final = {"x-queue-type": "quorum"}
ANYTHING: Final = amqp.Message("{}")
"""Nobody's message: it is refused before anybody reads it."""

Operation = Callable[[Any], object]


def declare(queue: str) -> Operation:
    return lambda channel: channel.queue_declare(queue, durable=True, auto_delete=False, arguments=QUORUM)


def delete(queue: str) -> Operation:
    return lambda channel: channel.queue_delete(queue)


def purge(queue: str) -> Operation:
    return lambda channel: channel.queue_purge(queue)


def get(queue: str) -> Operation:
    return lambda channel: channel.basic_get(queue)


def consume(queue: str) -> Operation:
    return lambda channel: channel.basic_consume(queue)


def publish(exchange: str, routing_key: str = "") -> Operation:
    return lambda channel: channel.basic_publish_confirm(ANYTHING, exchange=exchange, routing_key=routing_key)


def bind(queue: str, exchange: str) -> Operation:
    return lambda channel: channel.queue_bind(queue, exchange)


def delete_exchange(exchange: str) -> Operation:
    return lambda channel: channel.exchange_delete(exchange)


def declare_exchange(exchange: str) -> Operation:
    return lambda channel: channel.exchange_declare(exchange, "fanout", durable=True, auto_delete=False)


OWN: Final = "worker@here.celery.pidbox"
EVERYWHERE: Final = "celery.pidbox"
REFUSED: Final = {
    # A worker can neither submit nor take away queues, nor order other workers about, nor see what was given up.
    "worker": {
        "publish a task": publish("", "tasks.default"),
        "publish to a worker past the exchange": publish("", OWN),
        "have all workers do something": publish(EVERYWHERE),
        "forge a dead letter": publish(DEAD_LETTER_EXCHANGE),
        "publish to an exchange of RabbitMQ's own": publish("amq.topic"),
        "declare a queue of tasks": declare("tasks.mine"),
        "declare the queue that it serves": declare("tasks.default"),
        "delete the queue that it serves": delete("tasks.default"),
        "declare any queue": declare("mine"),
        "read dead letters": get(DEAD_LETTER_QUEUE),
        "purge dead letters": purge(DEAD_LETTER_QUEUE),
        "delete the dead-letter queue": delete(DEAD_LETTER_QUEUE),
        "delete the dead-letter exchange": delete_exchange(DEAD_LETTER_EXCHANGE),
        "hear the events of others": bind(OWN, "celeryev"),
        "read what Flower hears": consume("celeryev.of-flower"),
        "read answers meant for another": consume("of-flower.reply.celery.pidbox"),
    },
    # The dispatcher takes no message of a task, and has no part in Celery's remote control.
    "dispatcher": {
        "take a task": get("tasks.default"),
        "consume tasks": consume("tasks.default"),
        "drop all tasks of a queue": purge("tasks.default"),
        "have all workers do something": publish(EVERYWHERE),
        "forge an event": publish("celeryev"),
        "read what a worker is told": get(OWN),
        "declare any queue": declare("mine"),
        "declare any exchange": declare_exchange("mine"),
        "delete Celery's exchange": delete_exchange(EVERYWHERE),
        "hear events": bind(DEAD_LETTER_QUEUE, "celeryev"),
    },
    # Flower looks at tasks' queues by the management API, and that is all.
    "flower": {
        "publish a task": publish("", "tasks.default"),
        "take a task": get("tasks.default"),
        "drop all tasks of a queue": purge("tasks.default"),
        "delete a queue of tasks": delete("tasks.default"),
        "declare a queue of tasks": declare("tasks.mine"),
        "forge a dead letter": publish(DEAD_LETTER_EXCHANGE),
        "read dead letters": get(DEAD_LETTER_QUEUE),
        "see tasks pass": bind("celeryev.mine", DEAD_LETTER_EXCHANGE),
        "declare any queue": declare("mine"),
    },
}


@pytest.fixture(scope="module")
def topology(rabbitmq) -> Iterator[Celery]:
    """What there is while everything runs; made by who may do everything."""
    app = celery_app(rabbitmq.url, [])
    with app.connection_for_write() as connection, connection.channel() as channel:
        dead_letters()(channel).declare()
        buffer("default")(channel).declare()
        for exchange, sort in (("celeryev", "topic"), (EVERYWHERE, "fanout"), ("reply.celery.pidbox", "direct")):
            channel.exchange_declare(exchange, sort, durable=sort == "topic", auto_delete=False)
        for queue in (OWN, "celeryev.of-flower", "of-flower.reply.celery.pidbox"):
            channel.queue_declare(queue, durable=True, auto_delete=False)
    yield app
    for queue in (OWN, "celeryev.of-flower", "of-flower.reply.celery.pidbox"):
        rabbitmq.delete_queue(queue)


@pytest.mark.parametrize(("user", "what"), [(user, what) for user, those in REFUSED.items() for what in those])
def test_no_user_does_what_its_part_does_not(rabbitmq, topology, user, what):
    with closing(amqp.Connection(f"127.0.0.1:{rabbitmq.port}", user, user, confirm_publish=True)) as connection:
        connection.connect()
        channel = connection.channel()
        with pytest.raises(amqp.AccessRefused):
            REFUSED[user][what](channel)


@pytest.mark.parametrize("user", ["worker", "dispatcher"])
def test_parts_have_no_business_with_the_management_api(rabbitmq, user):
    answer = httpx.get(f"{rabbitmq.management_url}/api/queues", auth=(user, user))
    assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_flower_sees_queues_but_changes_nothing(rabbitmq, topology):
    with httpx.Client(base_url=f"{rabbitmq.management_url}/api/", auth=("flower", "flower")) as client:
        assert "tasks.default" in {queue["name"] for queue in client.get("queues").json()}
        for change in (
            client.put("policies/%2F/mine", json={"pattern": ".*", "definition": {"max-length": 1}}),
            client.put("users/mine", json={"password": "mine", "tags": "administrator"}),
            client.put("permissions/%2F/flower", json={"configure": ".*", "write": ".*", "read": ".*"}),
            client.delete("queues/%2F/tasks.default"),
            client.delete("queues/%2F/tasks.default/contents"),
        ):
            assert change.status_code == httpx.codes.UNAUTHORIZED


def _rights(user: str) -> list[str]:
    [permission] = [each for each in DEFINITIONS["permissions"] if each["user"] == user]
    return [permission[right] for right in ("configure", "write", "read")]


@pytest.mark.parametrize("user", list(REFUSED))
def test_the_chart_and_the_documentation_give_each_user_the_same_rights(user):
    chart = (ROOT / "deploy/helm/taskyard/charts/rabbitmq/files/users").read_text(encoding="utf-8")
    [line] = [line for line in chart.splitlines() if line.startswith(f"{user} ")]
    assert line.split()[2:] == _rights(user)
    documented = (ROOT / "docs/operations.md").read_text(encoding="utf-8").replace("\\\n", "")
    [command] = re.findall(rf"rabbitmqctl set_permissions {user} (.*)", documented)
    assert shlex.split(command) == _rights(user)


def test_parts_have_users_and_nobody_else_but_the_administrator():
    tags = {user["name"]: user["tags"] for user in DEFINITIONS["users"]}
    assert tags == {"guest": "administrator", "dispatcher": "", "worker": "", "flower": "monitoring"}
