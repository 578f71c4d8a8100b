"""Laws of putting tasks into messages."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from taskyard.statements.dispatching import Picked, ReadyTask
from taskyard_dispatcher.bundles import WORTH_S, bundle

RUN_S = {"noop": 0.0005, "short": 0.01, "long": 2.0}
picks = st.lists(
    st.builds(
        ReadyTask,
        task_id=st.integers(1, 10**6),
        attempt=st.sampled_from([1, 1, 1, 2]),
        kind=st.sampled_from(["noop", "short", "long", "unknown"]),
        priority=st.sampled_from([4, 9]),
        age_s=st.just(0.0),
    ),
    max_size=60,
)


def _tasks(count: int, kind: str = "noop", attempt: int = 1) -> list[ReadyTask]:
    return [ReadyTask(number, attempt, kind, 4, 0.0) for number in range(1, count + 1)]


@given(picks, st.booleans(), st.integers(1, 50))
def test_every_task_is_in_one_message_in_its_order(tasks, are_all, most):
    assert list(chain(*bundle(Picked(tasks, are_all), RUN_S, most))) == tasks


@given(picks, st.booleans(), st.integers(1, 50))
def test_a_message_has_one_kind_and_one_priority_and_is_worth_a_moment(tasks, are_all, most):
    for message in bundle(Picked(tasks, are_all), RUN_S, most):
        assert 1 <= len(message) <= most
        assert len({(task.kind, task.priority) for task in message}) == 1
        if len(message) > 1:
            assert len(message) * RUN_S[message[0].kind] <= WORTH_S
            assert {task.attempt for task in message} == {1}


def test_short_tasks_go_together_where_many_wait():
    assert [len(message) for message in bundle(Picked(_tasks(120), are_all=False), RUN_S, 50)] == [50, 50, 20]
    assert [len(message) for message in bundle(Picked(_tasks(25, "short"), are_all=False), RUN_S, 50)] == [10, 10, 5]


def test_few_tasks_go_alone_each_and_some_are_spread():
    assert {len(message) for message in bundle(Picked(_tasks(15, "short"), are_all=True), RUN_S, 50)} == {1}
    assert {len(message) for message in bundle(Picked(_tasks(64, "short"), are_all=True), RUN_S, 50)} == {4}
    assert {len(message) for message in bundle(Picked(_tasks(320), are_all=True), RUN_S, 50)} == {20}


def test_few_tasks_go_together_where_that_keeps_none_waiting():
    assert [len(message) for message in bundle(Picked(_tasks(25), are_all=True), RUN_S, 50)] == [10, 10, 5]
    assert [len(message) for message in bundle(Picked(_tasks(25), are_all=True), {"noop": 0.0}, 20)] == [20, 5]


def test_what_was_tried_before_goes_alone():
    assert {len(message) for message in bundle(Picked(_tasks(100, attempt=2), are_all=False), RUN_S, 50)} == {1}
