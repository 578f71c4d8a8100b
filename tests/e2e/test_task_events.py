"""Flower is told of the first message of a worker."""

import threading

import pytest

from taskyard.broker import celery_app
from waiting import eventually

pytestmark = pytest.mark.e2e


def test_a_worker_tells_of_its_first_message_where_it_is_asked_to(taskyard):
    """Nobody turns events on here, as Flower would some seconds later."""
    told: list[dict[str, object]] = []
    app = celery_app(taskyard.rabbitmq.url, ["default"])
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"task-succeeded": told.append})
        listener = threading.Thread(target=receiver.capture, kwargs={"wakeup": False})
        listener.start()
        try:
            taskyard.start(TASKYARD_TASK_EVENTS="true")
            task_id = taskyard.submit()
            assert taskyard.wait(task_id)["status"] == "succeeded"
            eventually(lambda: [event["uuid"] for event in told] == [f"{task_id}.1"], "the event of the first message")
        finally:
            receiver.should_stop = True
            listener.join(10)
