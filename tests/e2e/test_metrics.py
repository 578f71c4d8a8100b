"""What each running part shows at /metrics is what the inventory says: all of it, and nothing else."""

import signal
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from e2e.stack import Part, Stack, free_port
from monitoring.inventory import INVENTORY, PARTS, of
from waiting import eventually

pytestmark = pytest.mark.e2e

Labels = dict[str, str]


class Scraped:
    """A part, and what it shows at its metrics port."""

    def __init__(self, taskyard: Stack, name: str, **environment: str) -> None:
        port = free_port()
        self.part: Part = taskyard.part(name, TASKYARD_METRICS_PORT=str(port), **environment)
        self._url = f"http://127.0.0.1:{port}/metrics"

    def families(self) -> dict[str, Metric]:
        """Return the metrics that are ours, by the names that the inventory has."""
        return {
            family.name + ("_total" if family.type == "counter" else ""): family
            for family in text_string_to_metric_families(httpx.get(self._url, timeout=5).text)
            if family.name.startswith("taskyard_")
        }

    def samples(self) -> Iterator[tuple[str, Labels, float]]:
        for family in self.families().values():
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of the one series of that name and these labels."""
        found = [value for sample, has, value in self.samples() if sample == name and has == labels]
        return found[0] if found else None

    def wait_for(self, value: float, name: str, **labels: str) -> None:
        eventually(lambda: self.value(name, **labels) == value, f"{self.part.name} shows {name}{labels} {value}")


def _judge(family: Metric, name: str) -> None:
    """Hold one metric to the inventory."""
    listed = INVENTORY[name]
    assert family.type == listed.type, name
    assert family.documentation, name
    for sample in family.samples:
        assert set(sample.labels) - {"le"} == set(listed.labels), sample
        for label, allowed in listed.values.items():
            assert sample.labels[label] in allowed, sample
    assert {sample.name for sample in family.samples} <= set(listed.series(name)), name


def test_every_part_shows_its_inventory_and_nothing_else(taskyard):
    environment = {"TASKYARD_CANARY_S": "1", "TASKYARD_POOL": "images"}
    parts = {name: Scraped(taskyard, name, **environment) for name in PARTS}
    eventually(lambda: taskyard.client.get("/readyz").status_code == 200, "the API is ready")
    taskyard.wait(taskyard.submit())
    for name, scraped in parts.items():

        def shows_all(name: str = name, scraped: Scraped = scraped) -> bool:
            shown = {metric for metric, family in scraped.families().items() if family.samples}
            assert shown == set(of(name)), shown ^ set(of(name))
            return True

        eventually(shows_all, f"{name} shows all of its inventory, and nothing else", 60)
        for metric, family in scraped.families().items():
            _judge(family, metric)
        series = sum(1 for _ in scraped.samples())
        assert series < 1500, f"{name} shows {series} series"


def test_what_has_not_happened_yet_is_0(taskyard):
    parts = {name: Scraped(taskyard, name) for name in PARTS}
    eventually(lambda: taskyard.client.get("/readyz").status_code == 200, "the API is ready")
    default = {"queue": "default"}
    sleep = {"kind": "sleep", **default}
    for result in ("accepted", "replayed", "invalid", "rejected", "error"):
        parts["api"].wait_for(0, "taskyard_submissions_total", **sleep, result=result)
    dispatcher = parts["dispatcher"]
    for status in INVENTORY["taskyard_tasks"].values["status"]:
        dispatcher.wait_for(0, "taskyard_tasks", **default, status=status)
    for outcome in ("succeeded", "failed", "cancelled"):
        dispatcher.wait_for(0, "taskyard_tasks_finished_total", **sleep, outcome=outcome)
    dispatcher.wait_for(0, "taskyard_task_end_to_end_seconds_count", **default)
    dispatcher.wait_for(0, "taskyard_task_attempts_count", **default)
    dispatcher.wait_for(0, "taskyard_queue_oldest_running_seconds", **default)
    dispatcher.wait_for(0, "taskyard_dispatched_total", **default, result="refused")
    dispatcher.wait_for(0, "taskyard_dispatch_delay_seconds_count", **default)
    dispatcher.wait_for(0, "taskyard_duty_errors_total", duty="show")
    for rule in INVENTORY["taskyard_consistency_violations_total"].values["rule"]:
        dispatcher.wait_for(0, "taskyard_consistency_violations_total", rule=rule)
    for cause in ("lease_expired", "message_lost", "dead_lettered"):
        dispatcher.wait_for(0, "taskyard_recovered_total", **default, cause=cause)
    worker = parts["worker"]
    for outcome in ("succeeded", "error", "timeout", "worker_lost", "cancelled"):
        worker.wait_for(0, "taskyard_attempts_total", **sleep, outcome=outcome)
    worker.wait_for(0, "taskyard_attempt_run_seconds_count", **sleep)
    worker.wait_for(0, "taskyard_attempt_wait_seconds_count", **default)
    for name in PARTS:
        parts[name].wait_for(0, "taskyard_log_messages_total", level="critical")


def test_what_happens_to_tasks_is_counted_where_it_is_seen(taskyard):
    api, dispatcher, worker = (Scraped(taskyard, name) for name in PARTS)
    eventually(lambda: taskyard.client.get("/readyz").status_code == 200, "the API is ready")
    taskyard.wait(taskyard.submit())
    taskyard.wait(taskyard.submit("test.flaky", {"good": 3}))
    taskyard.wait(taskyard.submit("test.discard"))
    taskyard.wait(taskyard.submit("test.die", {"how": "sigkill"}, max_attempts=1))
    running = taskyard.submit(payload={"seconds": 60})
    taskyard.wait_until(running, "running")
    default = {"queue": "default"}
    worker.wait_for(1, "taskyard_worker_slots_busy", pool="default")
    eventually(
        lambda: dispatcher.value("taskyard_queue_oldest_running_seconds", **default) > 0, "the oldest attempt is shown"
    )
    taskyard.client.post(f"/tasks/{running}/cancel")
    taskyard.wait(running)

    api.wait_for(2, "taskyard_submissions_total", kind="sleep", **default, result="accepted")
    api.wait_for(1, "taskyard_operator_actions_total", action="cancel", result="done")
    for kind, outcome in (
        ("sleep", "succeeded"),
        ("sleep", "cancelled"),
        ("test.flaky", "succeeded"),
        ("test.discard", "failed"),
        ("test.die", "failed"),
    ):
        dispatcher.wait_for(1, "taskyard_tasks_finished_total", kind=kind, **default, outcome=outcome)
    dispatcher.wait_for(4, "taskyard_task_end_to_end_seconds_count", **default)
    dispatcher.wait_for(2, "taskyard_task_attempts_bucket", **default, le="2.0")
    dispatcher.wait_for(4, "taskyard_task_attempts_bucket", **default, le="3.0")
    dispatcher.wait_for(1, "taskyard_tasks", **default, status="cancelled")
    worker.wait_for(2, "taskyard_attempts_total", kind="test.flaky", **default, outcome="error")
    worker.wait_for(1, "taskyard_attempts_total", kind="test.discard", **default, outcome="discarded")
    worker.wait_for(3, "taskyard_attempts_total", kind="test.die", **default, outcome="worker_lost")
    worker.wait_for(3, "taskyard_children_killed_total", cause="lost")
    assert worker.value("taskyard_log_messages_total", level="warning") > 3, "those of dead children, too"


def test_one_of_two_dispatchers_shows_the_whole_and_the_other_takes_over(taskyard):
    first = Scraped(taskyard, "dispatcher")
    first.wait_for(0, "taskyard_tasks", queue="default", status="queued")
    second = Scraped(taskyard, "dispatcher")
    led = {name for name, metric in INVENTORY.items() if metric.shown_by}
    second.wait_for(0, "taskyard_leader", leads="record")
    second.wait_for(1, "taskyard_listener_connected")
    assert not led & second.families().keys()
    first.part.kill()
    second.wait_for(1, "taskyard_leader", leads="record")
    second.wait_for(0, "taskyard_tasks", queue="default", status="queued")


def test_a_dispatcher_that_loses_its_leadership_drops_what_only_a_leader_shows(taskyard, session):
    dispatcher = Scraped(taskyard, "dispatcher")
    dispatcher.wait_for(0, "taskyard_tasks", queue="default", status="queued")
    with session.transaction() as cursor:  # takes its place as soon as it is cut off
        cursor.execute(
            """SELECT pg_terminate_backend(pid), classid, objid FROM pg_locks JOIN pg_stat_activity USING (pid)
                WHERE locktype = 'advisory' AND application_name = 'taskyard-dispatcher record'
                  AND datname = current_database()"""
        )
        [(_, of_all, of_record)] = cursor.fetchall()
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (of_all, of_record - (1 << 32) * (of_record >> 31)))
        dispatcher.wait_for(0, "taskyard_leader", leads="record")
        eventually(lambda: "taskyard_tasks" not in dispatcher.families(), "it shows no state any more")
        assert "taskyard_task_attempts" not in dispatcher.families()
    dispatcher.wait_for(0, "taskyard_tasks", queue="default", status="queued")


def test_canaries_go_through_every_queue_that_has_workers(taskyard):
    taskyard.part("worker")
    dispatcher = Scraped(taskyard, "dispatcher", TASKYARD_CANARY_S="0.5")
    last = "taskyard_canary_last_success_timestamp_seconds"
    began = time.time()
    for queue in ("default", "elsewhere"):
        eventually(lambda queue=queue: dispatcher.value("taskyard_canary_duration_seconds", queue=queue), "one came")
        first = dispatcher.value(last, queue=queue)
        assert first > began - 60
        eventually(lambda queue=queue, first=first: dispatcher.value(last, queue=queue) > first, "another came")
    taskyard.parts[0].signal(signal.SIGTERM)
    eventually(lambda: dispatcher.value(last, queue="default") is None, "nothing is shown of a queue without workers")


def test_a_worker_says_that_it_drains_and_what_it_holds(taskyard):
    taskyard.start(workers=0)
    worker = Scraped(taskyard, "worker", TASKYARD_CONCURRENCY="1", TASKYARD_QUEUES="default")
    worker.wait_for(1, "taskyard_worker_broker_connected")
    worker.wait_for(1, "taskyard_worker_serves", queue="default")
    worker.wait_for(0, "taskyard_worker_reserved_messages")
    task_ids = [taskyard.submit(payload={"seconds": 5}) for _ in range(3)]
    worker.wait_for(1, "taskyard_worker_slots_busy", pool="default")
    worker.wait_for(1, "taskyard_worker_reserved_messages")  # it takes no more than it can run
    worker.wait_for(0, "taskyard_worker_draining")
    worker.part.signal(signal.SIGTERM)
    worker.wait_for(1, "taskyard_worker_draining")
    assert worker.part.process.wait(30) == 0
    assert taskyard.task(task_ids[0])["status"] == "succeeded"


def test_the_record_is_checked_while_it_is_used_and_what_is_broken_is_put_right(taskyard, session):
    dispatcher = Scraped(taskyard, "dispatcher")
    dispatcher.wait_for(1, "taskyard_leader", leads="consistency")
    eventually(lambda: dispatcher.value("taskyard_consistency_last_pass_duration_seconds"), "a pass has ended")
    with session.transaction() as cursor:
        cursor.execute("INSERT INTO counters (queue, status, tasks) VALUES ('default', 'failed', 3)")
    dispatcher.wait_for(1, "taskyard_consistency_mended_total", rule="counters_drift")
    dispatcher.wait_for(0, "taskyard_tasks", queue="default", status="failed")
    dispatcher.wait_for(0, "taskyard_consistency_standing_violations")


def test_without_its_pace_there_is_no_check(taskyard):
    dispatcher = Scraped(taskyard, "dispatcher", TASKYARD_CONSISTENCY_ROWS_PER_S="0")
    dispatcher.wait_for(0, "taskyard_tasks", queue="default", status="queued")
    assert "taskyard_consistency_examined_total" not in dispatcher.families()
    assert dispatcher.value("taskyard_leader", leads="consistency") is None
