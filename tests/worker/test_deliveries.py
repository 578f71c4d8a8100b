"""A worker notices that what waits for it does not come."""

import amqp
import pytest
from kombu import Connection, Producer

from taskyard.broker import buffer
from taskyard_worker.deliveries import LOOK_S, Deliveries
from waiting import eventually

QUEUE = "deliveries-test"


@pytest.fixture
def connection(rabbitmq):
    with Connection(rabbitmq.url) as made:
        buffer(QUEUE)(made.default_channel).declare()
        yield made
    rabbitmq.delete_queue(f"tasks.{QUEUE}")


@pytest.fixture
def look(connection):
    """Have a look at the queue, as often as one likes; the clock is the caller's."""
    deliveries = Deliveries()

    def look(now, *, has_room=True, received=0):
        deliveries.check(connection, [buffer(QUEUE)], has_room=has_room, received=received, now=now)

    return look


@pytest.fixture
def waiting(connection, rabbitmq):
    """A message that nobody takes."""
    Producer(connection.default_channel).publish({}, routing_key=f"tasks.{QUEUE}")
    eventually(lambda: rabbitmq.depth(f"tasks.{QUEUE}") == 1, "the message waits")


def test_a_worker_without_work_goes_on(look):
    for turn in range(5):
        look(LOOK_S * turn)


@pytest.mark.usefixtures("waiting")
def test_what_waits_and_does_not_come_is_missed_at_the_second_look(look):
    look(10)
    look(10 + LOOK_S / 2)  # too early for another one
    with pytest.raises(amqp.ConsumerCancelled):
        look(10 + LOOK_S)


@pytest.mark.usefixtures("waiting")
def test_a_worker_that_is_served_or_has_no_room_goes_on(look):
    look(10, received=1)
    look(20, received=2)
    look(30, received=2, has_room=False)
    look(40, received=2)


def test_a_queue_that_is_gone_is_missed(look, rabbitmq):
    rabbitmq.delete_queue(f"tasks.{QUEUE}")
    with pytest.raises(amqp.ConsumerCancelled):
        look(10)
