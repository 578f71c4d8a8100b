"""A worker notices that its queue is gone, also when Celery does not."""

import amqp
import pytest
from celery.worker import loops
from kombu import Connection

from taskyard.broker import buffer
from taskyard_worker.buffers import check_consumed
from waiting import eventually

QUEUE = "buffers-test"


@pytest.fixture
def consumer(rabbitmq):
    """A consumer of an empty queue."""
    with Connection(rabbitmq.url) as connection:
        buffer(QUEUE)(connection.default_channel).declare()
        with connection.Consumer([buffer(QUEUE)], accept=["json"]) as made:
            yield made
    rabbitmq.delete_queue(f"tasks.{QUEUE}")


def test_a_consumer_whose_queue_is_there_is_left_alone(consumer):
    check_consumed(consumer)
    consumer.cancel()
    check_consumed(consumer)


def test_a_queue_that_went_while_celery_did_not_look_is_missed(consumer, rabbitmq):
    connection = consumer.connection
    rabbitmq.delete_queue(f"tasks.{QUEUE}")

    def is_missed() -> bool:
        loops._quick_drain(connection)  # swallows that RabbitMQ took the consumer away
        try:
            check_consumed(consumer)
        except amqp.ConsumerCancelled:
            return True
        return False

    eventually(is_missed, "the queue is missed")
