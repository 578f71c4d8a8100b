"""Nothing counts as published that RabbitMQ did not confirm and route; and one message is what a worker reads."""

import httpx
import pytest

from taskyard.broker import attempts_in, celery_app
from taskyard.statements.claims import Held
from taskyard.statements.dispatching import Bundle, ReadyTask
from taskyard_dispatcher.publisher import BufferUnavailableError, Publisher

QUEUE = "publisher-test"
BUFFER = f"tasks.{QUEUE}"


def _tasks(count: int, start: int = 1) -> list[Bundle]:
    return [(ReadyTask(number, 1, "sleep", 4, 0.0),) for number in range(start, start + count)]


@pytest.fixture
def publisher(rabbitmq):
    """A publisher on an empty queue."""
    rabbitmq.delete_queue(BUFFER)
    made = Publisher(celery_app(rabbitmq.url, []), confirm_timeout_s=5)
    yield made
    made.drop()
    rabbitmq.delete_queue(BUFFER)


def test_what_is_confirmed_is_there(publisher, rabbitmq):
    tasks = _tasks(300)
    assert publisher.publish(QUEUE, tasks) == tasks
    assert rabbitmq.depth(BUFFER) == 300


def test_what_is_returned_is_not_confirmed_and_the_queue_is_there_for_the_next(publisher, rabbitmq):
    publisher.publish(QUEUE, _tasks(1))
    rabbitmq.delete_queue(BUFFER)
    assert publisher.publish(QUEUE, _tasks(10)) == []
    assert publisher.publish(QUEUE, _tasks(10)) == _tasks(10)
    assert rabbitmq.depth(BUFFER) == 10


def test_what_a_full_queue_refuses_is_not_confirmed(publisher, rabbitmq):
    rabbitmq.ctl(
        "set_policy", "full", f"^{BUFFER}$", '{"max-length": 0, "overflow": "reject-publish"}', "--priority", "9"
    )
    try:
        publisher.publish(QUEUE, _tasks(1))  # a quorum queue takes one more than it should
        confirmed = publisher.publish(QUEUE, _tasks(20, start=2))
        assert len(confirmed) < 20
        assert rabbitmq.depth(BUFFER) <= 1 + len(confirmed)
    finally:
        rabbitmq.ctl("clear_policy", "full")


def test_a_broker_that_is_away_is_said_and_found_again(publisher, rabbitmq):
    publisher.publish(QUEUE, _tasks(1))
    rabbitmq.stop()
    with pytest.raises(BufferUnavailableError):
        publisher.publish(QUEUE, _tasks(5))
    rabbitmq.start()
    assert publisher.publish(QUEUE, _tasks(5)) == _tasks(5)


def test_a_message_says_its_kind_its_attempts_and_its_priority(publisher, rabbitmq):
    publisher.publish(QUEUE, [(ReadyTask(17, 3, "invoice.render", 8, 0.0), ReadyTask(19, 1, "invoice.render", 8, 0.0))])
    with httpx.Client(base_url=rabbitmq.management_url, auth=("guest", "guest")) as broker:
        [message] = broker.post(
            f"/api/queues/%2F/{BUFFER}/get", json={"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
        ).json()
    properties = message["properties"]
    assert (properties["headers"]["task"], properties["headers"]["id"]) == ("invoice.render", "17.3+1")
    assert (properties["priority"], properties["delivery_mode"]) == (8, 2)
    assert attempts_in(__import__("json").loads(message["payload"])[0]) == [Held(17, 3), Held(19, 1)]
