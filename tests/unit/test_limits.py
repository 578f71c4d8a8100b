"""Whichever limit is smaller holds, and says whose it is."""

from hypothesis import given
from hypothesis import strategies as st

from taskyard_worker.limits import Limit, limit

SECONDS = st.floats(0.1, 1e6)


@given(timeout_s=SECONDS, max_task_s=SECONDS)
def test_the_smaller_limit_holds_and_is_named(timeout_s, max_task_s):
    held = limit(timeout_s, max_task_s)
    assert held.seconds == min(timeout_s, max_task_s)
    assert ("TASKYARD_MAX_TASK_S" in str(held)) == (max_task_s < timeout_s)


@given(timeout_s=SECONDS)
def test_a_worker_without_a_limit_leaves_it_to_the_task(timeout_s):
    assert limit(timeout_s, 0) == Limit(timeout_s)
