"""Whatever lies in RabbitMQ, no worker and no dispatcher stops over it; it is dead-lettered, buried, and counted."""

import os

import amqp
import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from e2e import amqp_messages
from e2e.amqp_messages import Raw, field, genuine, message, odd_messages, properties, publish, table
from e2e.stack import Stack, free_port
from statements import factories as f
from waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

BATCHES = int(os.environ.get("TASKYARD_FUZZ_BATCHES", "6"))
"""How many batches of messages the fuzz makes up; the same ones in each run where that is not set."""


class Watched:
    """A stack whose worker and dispatcher are asked what they counted."""

    def __init__(self, taskyard: Stack, url: str) -> None:
        self.taskyard = taskyard
        self.url = url
        self.ports = {name: free_port() for name in ("worker", "dispatcher")}
        common = {name: {"TASKYARD_METRICS_PORT": str(port)} for name, port in self.ports.items()}
        self.api = taskyard.part("api")
        self.dispatcher = taskyard.part("dispatcher", **common["dispatcher"])
        self.worker = taskyard.part("worker", TASKYARD_TASK_EVENTS="true", **common["worker"])
        eventually(lambda: taskyard.client.get("/readyz").status_code == 200, "the API is ready", 120)
        eventually(lambda: self.worker.said("worker runs"), f"the worker runs; see {self.worker.log}", 120)
        self.works()
        self.pids = self.living()
        self.bind("amq.direct")

    def bind(self, exchange: str) -> None:
        """Have what is published to `exchange` come to the queue by a way that is not ours."""
        with amqp.Connection(self.url.split("@")[1].strip("/"), "guest", "guest") as connection:
            connection.channel().queue_bind(amqp_messages.QUEUE, exchange, amqp_messages.QUEUE)

    def living(self) -> list[int]:
        return [part.pid for part in self.taskyard.parts if part.process and part.process.poll() is None] + sorted(
            child.pid for child in self.worker.children()
        )

    def counted(self) -> tuple[float, float, float, float]:
        """Return how many messages were rejected, dropped, claimed nothing, and were taken out of the dead letters."""
        refused = self.sum("worker", "taskyard_messages_refused_total")
        dropped = self.sum("worker", "taskyard_messages_refused_total", reason="forged_death")
        return (
            refused - dropped,
            dropped,
            self.sum("worker", "taskyard_idle_messages_total"),
            self.sum("dispatcher", "taskyard_dead_letters_total"),
        )

    def sum(self, part: str, name: str, **labels: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.ports[part]}/metrics").text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(
            sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def works(self) -> None:
        """A task that is submitted now is done."""
        task = self.taskyard.wait(self.taskyard.submit(), 60)
        assert task["status"] == "succeeded", task

    def swallow(self, messages: list[Raw], *, all_are_foreign: bool) -> None:
        """Bring `messages`, and see that each is refused, buried and counted, and that everything still works.

        What goes to the dead letters at once is refused by nobody. What was made up may be a good message by chance;
        it claims nothing then.
        """
        before = self.counted()
        taken = publish(self.url, messages)
        given_up = sum(raw.exchange == amqp_messages.DEAD_LETTER_EXCHANGE for raw in taken)

        def all_are_counted() -> bool:
            rejected, dropped, idle, buried = (now - then for now, then in zip(self.counted(), before, strict=True))
            return rejected + dropped + idle == len(taken) - given_up and buried == rejected + given_up

        self.works()
        eventually(all_are_counted, f"all {len(taken)} are counted", 60)
        assert not all_are_foreign or self.counted()[2] == before[2]
        assert self.taskyard.rabbitmq.depth("dlq.tasks") == 0
        assert self.taskyard.rabbitmq.depth(amqp_messages.QUEUE) == 0
        assert self.living() == self.pids, "a process ended"


@pytest.fixture
def watched(taskyard, rabbitmq):
    return Watched(taskyard, rabbitmq.url)


HEADERS, BODY = genuine("sleep", 10**7, 1)
NAMED = {
    "no properties at all": Raw(b"", b"\x00\x00"),
    "a time past every calendar": Raw(b"{}", properties(table([(b"at", b"T" + b"\xff" * 8)]))),
    "a content type that is no UTF-8": Raw(b"{}", properties(table([]), content_type=b"\xff\xfe")),
    "a header that is no UTF-8": Raw(b"{}", properties(table([(b"task", b"S\x00\x00\x00\x02\xff\xfe")]))),
    "a decimal of nonsense": Raw(b"{}", properties(table([(b"d", b"D\xff\x00\x00\x00\x01")]))),
    "huge headers": Raw(b"{}", properties(table([(b"huge", field("x" * 120_000))]))),
    "pickle": Raw(b"cos\nsystem\n", properties(table([]), b"application/x-python-serialize", b"binary")),
    "an encoding nobody knows": Raw(
        b"{}", properties(table([(b"task", field("sleep")), (b"id", field("1"))]), content_encoding=b"rot13")
    ),
    "a body that is no JSON": Raw(
        b"{", properties(table((name.encode(), field(value)) for name, value in HEADERS.items()))
    ),
    "a body too deep": Raw(
        b"[" * 90_000, properties(table((name.encode(), field(value)) for name, value in HEADERS.items()))
    ),
    "a kind nobody knows": message(*genuine("no.such", 10**7, 1)),
    "a kind that cannot be stored": message(*genuine("a\x00b", 10**7, 1)),
    "a kind that is a list": message(HEADERS | {"task": ["sleep"]}, BODY),
    "an id out of range": message(HEADERS, [[[[2**63, 1]]], {}, {}]),
    "an attempt out of range": message(HEADERS, [[[[10**7, 2**31]]], {}, {}]),
    "an id that is infinite": Raw(
        b"[[[[1e999, 1]]], {}, {}]", properties(table((n.encode(), field(v)) for n, v in HEADERS.items()))
    ),
    "an id that is a truth value": message(HEADERS, [[[[True, 1]]], {}, {}]),
    "arguments by name": message(HEADERS, [[[[10**7, 1]]], {"a": 1}, {}]),
    "a callback": message(HEADERS, [[[[10**7, 1]]], {}, {"callbacks": [{"task": "sleep", "args": []}]}]),
    "a delay of Celery's": message(HEADERS | {"eta": "2999-01-01T00:00:00"}, BODY),
    "an expiry of Celery's": message(HEADERS | {"expires": "2001-01-01T00:00:00"}, BODY),
    "a time limit of Celery's": message(HEADERS | {"timelimit": [0.001, 0.001]}, BODY),
    "stamps that are not there": message(HEADERS | {"stamped_headers": ["a"], "stamps": {}}, BODY),
    "a retry of Celery's": message(HEADERS | {"retries": 3}, BODY),
    "another way": message(HEADERS, BODY, exchange="amq.direct"),
    "a death of nonsense": message({"x-death": "never"}, BODY, exchange=amqp_messages.DEAD_LETTER_EXCHANGE),
    "another death of nonsense": message({"x-death": [1]}, BODY, exchange=amqp_messages.DEAD_LETTER_EXCHANGE),
    "a death that RabbitMQ cannot read": message(HEADERS | {"x-death": [1]}, BODY[:1]),
    "another that it cannot read": message({"x-death": "never"}, BODY),
    "a death among headers nobody can read": Raw(
        b"{}", properties(table([(b"x-death", field([1])), (b"at", b"T" + b"\xff" * 8)]))
    ),
    "100 KiB of a kind": message(HEADERS | {"task": "a" * 100_000}, BODY),
    "ten million bytes": message(HEADERS, "x" * 10_000_000),
}


def test_a_message_that_is_none_of_ours_is_refused_buried_and_counted(watched):
    watched.swallow(list(NAMED.values()), all_are_foreign=True)


@given(st.data())
@settings(
    max_examples=BATCHES,
    derandomize="TASKYARD_FUZZ_BATCHES" not in os.environ,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # to shrink takes minutes; the batch is printed
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_messages_made_up_stop_nobody_and_are_all_counted(watched, data):
    messages = data.draw(st.lists(odd_messages(), min_size=20, max_size=40))
    watched.swallow(messages, all_are_foreign=False)


def test_a_message_of_a_kind_the_worker_knows_for_a_task_it_does_not_fails_that_task(watched, session):
    f.run_sql(
        session,
        """INSERT INTO kinds SELECT (json_populate_record(known, '{"name": "test.new"}')).*
             FROM kinds AS known WHERE name = 'sleep'""",
    )
    watched.taskyard.client.patch("/queues/default", json={"paused": True})
    task_id = eventually(
        lambda: (
            (
                answer := watched.taskyard.client.post(
                    "/tasks", json={"name": "n", "kind": "test.new", "queue": "default"}
                )
            )
            and answer.status_code == 201
            and answer.json()["id"]
        ),
        "the kind is in the catalogue",
    )
    watched.dispatcher.kill()
    watched.taskyard.client.patch("/queues/default", json={"paused": False})
    publish(watched.url, [message(*genuine("sleep", task_id, 1))])
    task = watched.taskyard.wait(task_id)
    assert (task["status"], task["reason"]) == ("failed", "unknown_kind")
