"""A table with a history, and what is seen of it, on real servers."""

from datetime import UTC, datetime, timedelta

import pytest

from bench import filling
from bench.measures import history
from bench.systems import SYSTEMS
from bench.turns import Sizes, turn
from statements import factories as f
from taskyard.statements import consistency, queues, reading, retention
from taskyard.statements.consistency import Slice
from taskyard.statements.reading import Filter
from taskyard.statements.retention import Mark
from taskyard.states import Status

TASKS = 3_000
ALL_OF_THEM = Slice(0, None, TASKS)
SHAPE = """
    SELECT indexrelid::regclass::text, indisprimary, pg_get_indexdef(indexrelid) FROM pg_index
     WHERE indrelid = ANY('{tasks,ready,attempts}'::regclass[]) ORDER BY indexrelid"""
KEPT_S = 30 * 24 * 3600.0


@pytest.fixture
def filled(database_url, session):
    """A session on a database with a history."""
    filling.history(database_url, TASKS, lambda _: None)
    return session


def test_a_history_breaks_no_rule_of_the_record(filled):
    assert filled.run(consistency.find, ALL_OF_THEM) == []
    assert filled.run(consistency.drift) == []


def test_a_history_is_of_all_ends_several_kinds_and_queues(filled):
    ended = filled.run(queues.counts)
    assert {queue for queue, _ in ended} == {"default", *filling.QUEUES}
    by_status = {status: sum(n for (_, one), n in ended.items() if one is status) for _, status in ended}
    assert by_status.keys() == {Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}
    assert by_status[Status.SUCCEEDED] > 0.9 * TASKS
    kinds = f.rows(
        filled, "SELECT count(DISTINCT kind), count(result), count(idempotency_key), count(worker) FROM tasks"
    )
    assert kinds == [
        (5, by_status[Status.SUCCEEDED], pytest.approx(TASKS / 10, rel=0.3), TASKS - by_status["cancelled"])
    ]


def test_few_are_enough_to_list_fifty_that_failed(database_url, session):
    filling.history(database_url, history._FEW, lambda _: None)
    assert len(session.run(reading.page, Filter(statuses=[Status.FAILED]), 50).tasks) == 50


def test_a_history_is_of_a_week_in_the_order_of_ids_and_kept_by_retention(filled):
    [(first, last, ascends, finished)] = f.rows(
        filled,
        """SELECT min(created_at), max(created_at), bool_and(created_at > before IS NOT false), max(finished_at)
             FROM (SELECT *, lag(created_at) OVER (ORDER BY id) AS before FROM tasks) AS tasks""",
    )
    assert ascends
    assert timedelta(days=6.9) < last - first < timedelta(days=7)
    assert finished < datetime.now(UTC)
    assert filled.run(retention.prune, Mark(first - timedelta(days=1), 0), KEPT_S, 2 * TASKS) == (0, None)


def test_the_next_task_has_the_next_id(filled):
    assert f.insert(filled) == [TASKS + 1]


def test_indexes_and_settings_are_as_before(database_url, session):
    asked = "SELECT pg_size_bytes(current_setting('max_wal_size'))"
    indexes, most_wal = f.rows(session, SHAPE), f.rows(session, asked)
    f.insert(session)
    filling.history(database_url, TASKS, lambda _: None)
    assert f.rows(session, SHAPE) == indexes
    assert f.rows(session, asked) == most_wal


def test_a_later_history_takes_the_place_of_an_earlier_one(filled, database_url):
    filling.history(database_url, 10, lambda _: None)
    assert f.rows(filled, "SELECT count(*), min(id), max(id) FROM tasks") == [(10, 1, 10)]
    assert filled.run(consistency.drift) == []


def test_latencies_are_compared_by_their_p99():
    few = {operation: [0.001] * 98 + [0.002] * 2 for operation in history.TITLES}
    many = {operation: [0.001] * 98 + [0.003] * 2 for operation in history.TITLES}
    figures = history.latencies(few, many)
    assert (figures["read p50 few"], figures["read p50"]) == (1.0, 1.0)
    assert (figures["read p99 few"], figures["read p99"]) == (2.0, 3.0)
    assert figures["read slower"] == 1.5


def test_loads_are_compared_by_their_means():
    few = {"idle cpu": [10.0, 20.0], "checked cpu": [20.0], "idle statements": [], "checked statements": []}
    many = {"idle cpu": [30.0], "checked cpu": [100.0], "idle statements": [], "checked statements": []}
    assert history.loads(few, many) == {
        "idle cpu few": 15.0,
        "idle cpu": 30.0,
        "idle cpu busier": 2.0,
        "checked cpu few": 20.0,
        "checked cpu": 100.0,
        "checked cpu busier": 5.0,
    }


def test_all_operations_are_measured_on_a_running_system(taskyard_servers):
    sizes = Sizes(history_tasks=6_000, history_times=10, idle_s=0.2)
    with turn(SYSTEMS["taskyard"], taskyard_servers, sizes, {}) as taken:
        figures = history.run(taken)
        left = taken.place.value("SELECT count(*) FROM tasks WHERE status <> ALL('{succeeded,failed,cancelled}')")
    titled = {figure.name for figure in history.HISTORY.figures}
    assert titled - {name for name in titled if "statements" in name} <= figures.keys()
    assert all(figures[f"{operation} p99 few"] > 0 for operation in history.TITLES)
    assert left == 0
