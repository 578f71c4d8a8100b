"""A queue that is full, and what is seen of it, on real servers."""

from dataclasses import replace

from bench import filling
from bench.measures import backlog
from bench.systems import SYSTEMS
from bench.turns import Sizes, turn
from statements import factories as f
from taskyard.statements import consistency, kinds, queues
from taskyard.statements.consistency import Slice
from taskyard.states import Status

TASKS = 3_000
RECORDED = """
    SELECT to_jsonb(tasks) - '{id,created_at,run_at,queued_at}'::text[], to_jsonb(ready) - '{task_id,run_at}'::text[],
           created_at = queued_at AND created_at = tasks.run_at AND tasks.run_at = ready.run_at
      FROM tasks FULL JOIN ready ON task_id = id"""
MOVED = "SELECT queue, source, target, sum(tasks), count(kind) FROM moves GROUP BY queue, source, target"


def test_waiting_tasks_are_as_their_submission_leaves_them(database_url, session):
    sleep = session.run(kinds.catalogue)["sleep"]
    limits = {"max_attempts": sleep.max_attempts, "timeout_s": sleep.timeout_s}
    f.insert(session, TASKS, name="bench", kind="sleep", priority=4, **limits)
    submitted = f.rows(session, f"SELECT DISTINCT * FROM ({RECORDED}) AS recorded"), f.rows(session, MOVED)
    filling.waiting(database_url, TASKS, lambda _: None)
    assert f.rows(session, f"SELECT DISTINCT * FROM ({RECORDED}) AS recorded") == submitted[0]
    assert f.rows(session, MOVED) == submitted[1]
    assert session.run(queues.counts) == {("default", Status.QUEUED): TASKS}
    assert session.run(consistency.find, Slice(0, None, TASKS)) == []
    assert session.run(consistency.drift) == []


def test_a_full_queue_takes_the_place_of_all_that_was_there(database_url, session):
    filling.history(database_url, 10, lambda _: None)
    filling.waiting(database_url, 5, lambda _: None)
    assert session.run(queues.counts) == {("default", Status.QUEUED): 5}
    filling.waiting(database_url, 0, lambda _: None)
    assert f.rows(session, "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM ready)") == [(0, 0)]


def test_submitting_and_draining_are_measured_on_a_running_system(taskyard_servers):
    sizes = replace(Sizes(), backlog_tasks=1_000, drain_tasks=200, load_s=0.1)
    with turn(SYSTEMS["taskyard"], taskyard_servers, sizes, {}) as taken:
        figures = backlog.run(taken)
    assert figures.keys() == {figure.name for figure in backlog.BACKLOG.figures}
    assert all(value > 0 for value in figures.values())
