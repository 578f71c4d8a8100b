"""What RabbitMQ loses, and what it brings that nobody can use."""

import httpx
import pytest

from e2e.stack import settle
from statements import factories as f
from waiting import eventually

pytestmark = pytest.mark.e2e


def _lose_messages(rabbitmq, fault: str) -> None:
    match fault:
        case "purge":
            rabbitmq.purge("tasks.default")
        case "delete":
            rabbitmq.delete_queue("tasks.default")
        case "restart":
            rabbitmq.stop()
        case "kill" | "wipe":
            rabbitmq.kill()
    if fault == "wipe":
        rabbitmq.wipe()


@pytest.mark.parametrize("fault", ["purge", "delete", "restart", "kill", "wipe"])
def test_what_rabbitmq_loses_is_published_again(taskyard, rabbitmq, fault):
    taskyard.start()
    taskyard.workers[0].stop()
    if fault == "kill":
        settle(rabbitmq)
    tasks = [taskyard.submit() for _ in range(20)]
    eventually(lambda: rabbitmq.depth("tasks.default") == 20, "RabbitMQ holds them all", 60)
    _lose_messages(rabbitmq, fault)
    if not rabbitmq.running:
        late = taskyard.submit()  # work is taken while the buffer is away
        tasks.append(late)
        rabbitmq.start()
    taskyard.wait_until_running(taskyard.part("worker"))
    for task_id in tasks:
        task = taskyard.wait(task_id, 60)
        assert (task["status"], task["attempt"]) == ("succeeded", 1)


def test_a_worker_lives_through_the_loss_of_its_queue_and_of_its_broker(taskyard, rabbitmq):
    taskyard.start()
    assert taskyard.wait(taskyard.submit())["status"] == "succeeded"
    rabbitmq.delete_queue("tasks.default")
    assert taskyard.wait(taskyard.submit(), 60)["status"] == "succeeded"
    rabbitmq.kill()
    rabbitmq.wipe()
    waiting = taskyard.submit()
    rabbitmq.start()
    assert taskyard.wait(waiting, 90)["status"] == "succeeded"
    assert taskyard.workers[0].process.poll() is None


def test_a_kind_that_no_worker_knows_fails_visibly(taskyard, session):
    taskyard.start()
    f.run_sql(
        session,
        """INSERT INTO kinds SELECT (json_populate_record(known, '{"name": "test.new"}')).*
             FROM kinds AS known WHERE name = 'sleep'""",
    )
    answer = eventually(
        lambda: (
            (made := taskyard.client.post("/tasks", json={"name": "new", "kind": "test.new"})).status_code == 201
            and made
        ),
        "the kind is in the catalogue",
    )
    task = taskyard.wait(answer.json()["id"])
    assert (task["status"], task["reason"]) == ("failed", "unknown_kind")
    assert "test.new" in task["error_message"]


_RUBBISH = [
    ("rubbish", {}),
    ("[[], {}, {}]", {"task": "sleep", "id": "1.1"}),
    ('[[[["a", null]]], {}, {}]', {"task": "sleep", "id": "1.1"}),
    ('"text"', {"task": "sleep", "id": "1.1"}),
    ("{", {"task": "sleep", "id": "1.1"}),
    ("{", {"task": "no.such"}),
    ("[[], {}, {}]", {"task": "no.such", "id": "1.1"}),
]


def test_messages_that_are_none_of_ours_stop_nobody(taskyard, rabbitmq):
    taskyard.start()
    with httpx.Client(base_url=rabbitmq.management_url, auth=("guest", "guest")) as broker:
        for body, headers in _RUBBISH:
            broker.post(
                "/api/exchanges/%2F/amq.default/publish",
                json={
                    "properties": {"headers": headers, "content_type": "application/json", "content_encoding": "utf-8"},
                    "routing_key": "tasks.default",
                    "payload": body,
                    "payload_encoding": "string",
                },
            ).raise_for_status()
    assert taskyard.wait(taskyard.submit())["status"] == "succeeded"
    assert taskyard.workers[0].process.poll() is None
    eventually(lambda: rabbitmq.depth("dlq.tasks") == 0, "the dead letters are buried")
