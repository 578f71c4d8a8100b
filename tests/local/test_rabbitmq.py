"""What a RabbitMQ of our own owes its caller. Each law is proven on a real node."""

import json
from contextlib import contextmanager

import amqp
import psutil
import pytest

from taskyard.local.errors import LocalRunError
from taskyard.local.ports import is_free

QUEUE = "tasks.local-test"


@contextmanager
def channel_of(node):
    with amqp.Connection(f"127.0.0.1:{node.port}", "guest", "guest") as connection:
        yield connection.channel()


def publish(node, messages):
    with channel_of(node) as channel:
        channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        channel.confirm_select()
        for _ in range(messages):
            channel.basic_publish_confirm(amqp.Message("x", delivery_mode=2), "", QUEUE)


def policies(node):
    return {policy["name"]: policy for policy in json.loads(node.ctl("list_policies", "--formatter", "json"))}


def processes_of(node):
    found = []
    for process in psutil.process_iter(["name", "status"]):
        if process.info["name"] in ("beam.smp", "epmd") and process.info["status"] != psutil.STATUS_ZOMBIE:
            found += [process.pid] * (process.cwd() == str(node.log.parent.parent.resolve()))
    return found


def test_a_purged_queue_is_empty_and_a_deleted_one_is_gone(rabbitmq):
    publish(rabbitmq, 3)
    assert rabbitmq.depth(QUEUE) == 3
    rabbitmq.purge(QUEUE)
    assert rabbitmq.depth(QUEUE) == 0
    rabbitmq.delete_queue(QUEUE)
    with pytest.raises(LocalRunError, match="no queue"):
        rabbitmq.depth(QUEUE)


def test_confirmed_messages_survive_a_stop_and_a_crash(rabbitmq):
    publish(rabbitmq, 3)
    rabbitmq.stop()
    rabbitmq.start()
    assert rabbitmq.depth(QUEUE) == 3
    port = rabbitmq.port
    rabbitmq.kill()
    assert not rabbitmq.running
    rabbitmq.start()
    assert rabbitmq.port == port
    assert rabbitmq.depth(QUEUE) == 3


def test_a_wiped_node_comes_back_with_its_user_and_policies_and_nothing_else(rabbitmq):
    publish(rabbitmq, 3)
    before = policies(rabbitmq)
    with pytest.raises(LocalRunError, match="running"):
        rabbitmq.wipe()
    rabbitmq.kill()
    rabbitmq.wipe()
    rabbitmq.start()
    assert policies(rabbitmq) == before
    assert before["taskyard"]["pattern"] == r"^tasks\."
    with pytest.raises(LocalRunError, match="no queue"):
        rabbitmq.depth(QUEUE)


def test_statistics_end_before_the_shutdown_that_they_would_hold_up(rabbitmq):
    rabbitmq.start()
    rabbitmq.stop()
    log = rabbitmq.log.read_text()
    assert log.rindex("to stop collect_statistics") < log.rindex("SIGTERM received")


def test_end_leaves_neither_node_nor_name_server(rabbitmq):
    rabbitmq.start()
    assert len(processes_of(rabbitmq)) == 2
    rabbitmq.kill()
    assert processes_of(rabbitmq) == []
    assert is_free(rabbitmq.port)
    assert is_free(rabbitmq.management_port)
