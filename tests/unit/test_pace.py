"""How long the dispatch loop waits between two rounds."""

from hypothesis import given
from hypothesis import strategies as st

from taskyard_dispatcher.dispatch import Pace

times = st.floats(0, 1e6)


@given(times, st.none() | st.floats(0, 1e4))
def test_while_there_is_more_it_does_not_wait(now, next_due_s):
    assert Pace(0.5).pause_s(now, more=True, moved=True, next_due_s=next_due_s) == 0


@given(times, st.booleans(), st.none() | st.floats(0, 1e4))
def test_it_never_sleeps_past_the_next_due_or_the_poll(now, moved, next_due_s):
    pause_s = Pace(0.5).pause_s(now, more=False, moved=moved, next_due_s=next_due_s)
    assert 0 <= pause_s <= min(0.5, next_due_s if next_due_s is not None else 0.5)


def test_it_looks_often_while_tasks_flow_and_then_calms_down():
    pace = Pace(0.5)
    assert pace.pause_s(100.0, more=False, moved=True, next_due_s=None) < 0.05
    assert pace.pause_s(100.2, more=False, moved=False, next_due_s=None) < 0.05
    assert pace.pause_s(101.0, more=False, moved=False, next_due_s=None) == 0.5
