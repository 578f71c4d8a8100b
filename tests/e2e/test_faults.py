"""What is killed, cut and lost, and that no task is."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import psutil
import pytest

from e2e.stack import settle
from e2e.traces import starts
from statements import factories as f
from taskyard.statements import passes, queues
from waiting import eventually

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("how", "words"), [("os._exit", "exit"), ("sigkill", "signal 9"), ("memory", "bytes of memory")]
)
def test_a_task_that_kills_its_worker_is_recorded_and_given_up(taskyard, how, words):
    taskyard.start(TASKYARD_MAX_CHILD_BYTES=str(300 * 1024 * 1024))
    task = taskyard.wait(taskyard.submit("test.die", {"how": how}), 60)
    assert (task["status"], task["reason"], task["attempt"]) == ("failed", "worker_lost", 3)
    assert {attempt["reason"] for attempt in task["attempts"]} == {"worker_lost"}
    assert words in task["error_message"].lower()
    assert taskyard.wait(taskyard.submit())["status"] == "succeeded"


def test_a_worker_told_to_stop_finishes_what_runs_and_leaves_the_rest(taskyard, tmp_path):
    taskyard.start()
    trace = tmp_path / "trace"
    running = [taskyard.submit("test.traced", {"file": str(trace), "seconds": 3}) for _ in range(2)]
    rest = [taskyard.submit("test.traced", {"file": str(trace)}) for _ in range(20)]
    for task_id in running:
        taskyard.wait_until(task_id, "running")
    assert taskyard.workers[0].stop() == 0
    assert [taskyard.task(task_id)["status"] for task_id in running] == ["succeeded"] * 2
    assert {taskyard.task(task_id)["status"] for task_id in rest} == {"queued"}
    taskyard.wait_until_running(taskyard.part("worker"))
    for task_id in rest:
        assert taskyard.wait(task_id)["status"] == "succeeded"
    assert Counter(starts(trace)) == Counter([f"{task_id}.1" for task_id in running + rest])


def test_what_a_killed_worker_ran_is_run_by_another(taskyard, tmp_path):
    taskyard.start(workers=2, TASKYARD_CONCURRENCY="1")
    trace = tmp_path / "trace"
    task_id = taskyard.submit("test.traced", {"file": str(trace), "seconds": 3})
    name = taskyard.wait_until(task_id, "running")["worker"]
    worker = next(part for part in taskyard.workers if part.environment["TASKYARD_WORKER_NAME"] == name)
    children = worker.children()
    worker.kill()
    task = taskyard.wait(task_id)
    assert (task["status"], task["attempt"]) == ("succeeded", 2)
    assert [attempt["reason"] for attempt in task["attempts"]] == ["worker_lost", None]
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_an_api_told_to_stop_answers_what_it_records(taskyard, session):
    taskyard.start(workers=0)
    answered: list[int] = []
    done = threading.Event()

    def submit() -> None:
        with httpx.Client(base_url=str(taskyard.client.base_url), timeout=30) as client:
            while not done.is_set():
                try:
                    answer = client.post("/tasks", json={"name": "x"})
                except httpx.TransportError:  # the door is closed
                    return
                assert answer.status_code in (201, 503)
                if answer.status_code == 201:
                    answered.append(answer.json()["id"])

    submitters = [threading.Thread(target=submit) for _ in range(8)]
    for thread in submitters:
        thread.start()
    eventually(lambda: len(answered) > 100, "tasks are taken")
    assert taskyard.api.stop() == 0
    done.set()
    for thread in submitters:
        thread.join(30)
    assert f.rows(session, "SELECT count(*) FROM tasks") == [(len(answered),)]


def test_a_second_dispatcher_takes_over_from_a_killed_one(taskyard):
    taskyard.start()
    assert taskyard.wait(taskyard.submit())["status"] == "succeeded"
    second = taskyard.part("dispatcher")
    eventually(lambda: second.said("dispatcher runs"), "the second dispatcher runs")
    taskyard.dispatcher.kill()
    began = time.monotonic()
    assert taskyard.wait(taskyard.submit())["status"] == "succeeded"
    assert time.monotonic() - began < 10


def test_postgresql_restarted_under_load_loses_nothing(taskyard, postgresql, tmp_path):
    taskyard.start()
    trace = tmp_path / "trace"
    accepted: list[int] = []
    refused: list[int] = []
    done = threading.Event()

    def submit() -> None:
        with httpx.Client(base_url=str(taskyard.client.base_url), timeout=30) as client:
            while not done.is_set():
                body = {"name": "x", "kind": "test.traced", "payload": {"file": str(trace), "seconds": 0.02}}
                answer = client.post("/tasks", json=body)
                assert answer.status_code in (201, 503), answer.text
                (accepted if answer.status_code == 201 else refused).append(answer.json().get("id", 0))

    submitter = threading.Thread(target=submit)
    submitter.start()
    eventually(lambda: len(accepted) > 20, "tasks are taken")
    postgresql.kill()
    eventually(lambda: refused, "the API says that the database is away")
    postgresql.start()
    before = len(accepted)
    eventually(lambda: len(accepted) > before + 20, "service is back by itself")
    done.set()
    submitter.join(30)
    for task_id in accepted:
        assert taskyard.wait(task_id, 90)["status"] == "succeeded"
    assert taskyard.workers[0].process.poll() is None


def _submit_until_accepted(url: str, body: dict[str, object], count: int, done: threading.Event) -> Iterator[int]:
    """Give the ids of `count` tasks, each submitted with a key until it is answered."""
    with httpx.Client(base_url=url, timeout=30) as client:
        for number in range(count):
            while not done.is_set():
                try:
                    answer = client.post("/tasks", json=body, headers={"Idempotency-Key": f"k{number}"})
                except httpx.TransportError:
                    done.wait(0.05)
                    continue
                if answer.status_code in (200, 201):
                    yield answer.json()["id"]
                    break
                assert answer.status_code == 503, answer.text


def _inject(fault: str, dice: random.Random, taskyard, postgresql, rabbitmq) -> None:
    """Kill something, and start it again where nobody else would."""
    parts = {name: [part for part in taskyard.parts if part.name == name] for name in ("worker", "dispatcher", "api")}
    match fault:
        case "child":
            if children := dice.choice(parts["worker"]).children():
                dice.choice(children).send_signal(signal.SIGKILL)
        case "worker" | "dispatcher" | "api":
            part = dice.choice(parts[fault])
            part.kill()
            part.start()
        case "rabbitmq" | "postgresql":
            server = rabbitmq if fault == "rabbitmq" else postgresql
            server.kill()
            server.start()


@pytest.mark.timeout(600)
def test_two_thousand_tasks_survive_random_kills_of_every_part(taskyard, postgresql, rabbitmq, session, tmp_path):
    """All reach an end, none completes twice, and nothing is left behind."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - to repeat a failure
    dice = random.Random(seed)
    taskyard.start(workers=2)
    taskyard.part("dispatcher")
    settle(rabbitmq)
    trace = tmp_path / "trace"
    body = {"name": "x", "kind": "test.traced", "payload": {"file": str(trace), "seconds": 0.005}}
    done = threading.Event()
    accepted: list[int] = []
    url = str(taskyard.client.base_url)
    submitter = threading.Thread(target=lambda: accepted.extend(_submit_until_accepted(url, body, 2000, done)))
    submitter.start()
    kills: Counter[str] = Counter()
    ends = time.monotonic() + 45
    while submitter.is_alive() and time.monotonic() < ends:
        fault = dice.choice(["child", "child", "worker", "dispatcher", "api", "rabbitmq", "postgresql"])
        kills[fault] += 1
        _inject(fault, dice, taskyard, postgresql, rabbitmq)
        done.wait(dice.uniform(0.5, 2))
    submitter.join(120)
    done.set()
    print(f"kills {dict(kills)}, accepted {len(accepted)}")  # noqa: T201 - the figures of the run
    assert len(set(accepted)) == 2000
    eventually(lambda: taskyard.client.get("/readyz").status_code == 200, "the API is back", 60)
    taskyard.wait_for_all(accepted, 240)
    _check_that_nothing_was_lost(session, accepted, starts(trace))


def _check_that_nothing_was_lost(session, accepted, started) -> None:
    ended = dict(f.rows(session, "SELECT status, count(*) FROM tasks GROUP BY status"))
    assert sum(ended.values()) == len(accepted)
    assert set(ended) <= {"succeeded", "failed"}
    assert f.rows(session, "SELECT id, reason FROM tasks WHERE status = 'failed' AND reason <> 'worker_lost'") == []
    twice = f.rows(
        session, "SELECT task_id FROM attempts WHERE outcome = 'succeeded' GROUP BY task_id HAVING count(*) > 1"
    )
    assert twice == []
    gaps = f.rows(
        session,
        """SELECT id FROM tasks JOIN attempts ON task_id = id GROUP BY id
           HAVING count(*) <> tasks.attempt OR max(attempts.attempt) <> tasks.attempt""",
    )
    assert gaps == []
    assert f.ready(session) == []
    assert {start.split(".")[0] for start in started} == {str(task_id) for task_id in accepted}
    session.run(queues.fold)
    assert f.counted(session) == f.recounted(session)
    assert session.run(passes.violations) == [], "nothing looked broken at any time"
    assert f.rows(session, "SELECT count(*) > 5 FROM passes WHERE counted_at IS NOT NULL") == [(True,)]
