"""What is found when promises are held against the record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.states import Status
from taskyard.verify.facts import AttemptSeen, Kill, Promise, Recovery, TaskSeen
from taskyard.verify.faults.plan import Fault
from taskyard.verify.faults.story import Injected, Story
from taskyard.verify.ledger import Ledger
from taskyard.verify.verdict import judge, percentile, recoveries


def promise(task_id, key=None):
    return Promise(key or f"k{task_id}", task_id, "sleep", 0.0)


def attempt(number, outcome="succeeded", worker="w", started_s=0.0, ended_s=1.0):
    return AttemptSeen(number, outcome, worker, started_s, ended_s)


def task(task_id, *attempts, status=Status.SUCCEEDED, runs=None, newest=None):
    return TaskSeen(task_id, status, newest or len(attempts), attempts, runs)


def found(*tasks, promised=None):
    return [
        finding.what for finding in judge([promise(n) for n in promised or [t.task_id for t in tasks]], tasks).findings
    ]


GOOD = task(1, attempt(1))


def test_a_task_that_ran_once_keeps_every_promise():
    verdict = judge([promise(1)], [GOOD])
    assert verdict.is_good
    assert (verdict.promised, verdict.ended, verdict.runs) == (1, {Status.SUCCEEDED: 1}, {1: 1})


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (None, "lost: answered with 201, and not there"),
        (task(1, attempt(1, None), status=Status.RUNNING), "lost: answered with 201, and not ended"),
        (task(1, status=Status.QUEUED), "lost: answered with 201, and not ended"),
        (task(1, attempt(1), attempt(2)), "completed twice"),
        (task(1, attempt(1, "lost")), "succeeded without an attempt that did"),
        (task(1, attempt(2), newest=2), "attempt rows missing or doubled"),
        (task(1, attempt(1, "lost"), attempt(1), newest=1), "attempt rows missing or doubled"),
        (task(1, attempt(1, "failed"), status=Status.FAILED, newest=2), "attempt rows missing or doubled"),
        (task(1, attempt(1), runs=0), "wrote less often than it succeeded"),
    ],
)
def test_each_broken_promise_is_found_by_its_name(seen, what):
    assert found(*([] if seen is None else [seen]), promised=[1]) == [what]


@pytest.mark.parametrize(
    "seen",
    [
        task(1, attempt(1, "lost"), attempt(2), runs=2),
        task(1, attempt(1, "failed"), status=Status.FAILED),
        task(1, status=Status.CANCELLED),
        task(1, attempt(1, "lost"), attempt(2, "lost"), attempt(3, "lost"), status=Status.FAILED),
    ],
)
def test_attempts_that_failed_or_were_lost_break_no_promise(seen):
    assert found(seen) == []


def test_tasks_that_nobody_promised_are_not_judged():
    assert found(GOOD, task(2, status=Status.QUEUED), promised=[1]) == []


@given(st.lists(st.integers(1, 60), unique=True), st.sets(st.integers(1, 60)))
def test_lost_is_what_was_promised_and_is_not_there(promised, there):
    verdict = judge([promise(n) for n in promised], [task(n, attempt(1)) for n in there])
    assert sum(finding.count for finding in verdict.findings) == len(set(promised) - there)


def test_answers_that_contradict_one_another_are_a_finding():
    assert not judge([promise(1)], [GOOD], ["key k1 is task 1, and task 2"]).is_good


LOST = task(1, attempt(1, "lost", "w1", 10.0, 21.0), attempt(2, "succeeded", "w2", 23.0, 24.0))


def test_a_recovery_counts_from_the_last_kill_of_the_worker_to_the_next_attempt():
    assert recoveries([LOST], [Kill("w1", 11.0), Kill("w1", 12.0)]) == [Recovery(12.0, 23.0)]


def test_kills_of_others_before_and_after_the_attempt_do_not_count():
    assert recoveries([LOST], [Kill("w2", 12.0), Kill("w1", 9.0), Kill("w1", 21.5)]) == []


def test_a_task_that_was_given_up_recovered_when_it_was():
    given_up = task(1, attempt(1, "lost", "w1", 10.0, 21.0), status=Status.FAILED)
    assert recoveries([given_up], [Kill("w1", 11.0)]) == [Recovery(11.0, 21.0)]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_and_not_above_it_is_the_share(values, share):
    ascending = sorted(values)
    value = percentile(ascending, share)
    assert value in ascending
    assert sum(one <= value for one in ascending) >= share * len(ascending) - 1e-9


def test_there_is_no_percentile_of_nothing():
    assert percentile([], 0.99) == 0


def injected(sort, began_s, ended_s, skipped=""):
    story = Story(Ledger())
    story.injected(Injected(Fault(0, sort, 0.0, 0.0, 0.0), "", skipped, began_s, ended_s))
    return story


def test_a_recovery_is_disturbed_by_a_server_that_was_away_meanwhile():
    recovery = Recovery(100.0, 110.0)
    assert injected("rabbitmq.stop", 105.0, 125.0).was_disturbed(recovery)
    assert not injected("rabbitmq.stop", 111.0, 125.0).was_disturbed(recovery)
    assert not injected("rabbitmq.stop", 10.0, 30.0).was_disturbed(recovery)
    assert not injected("rabbitmq.stop", 105.0, 125.0, skipped="away").was_disturbed(recovery)
    assert not injected("api.kill", 105.0, 106.0).was_disturbed(recovery)
