"""Laws of `decide` and of the moves."""

from hypothesis import given
from hypothesis import strategies as st

from taskyard.outcomes import Budget, Cancelled, ErrorReport, Failed, Lost, Succeeded, decide
from taskyard.retry import RetryPolicy
from taskyard.states import FINAL, MEANING, MOVES, WAITING, Reason, Status

dice = st.floats(min_value=0, max_value=1, exclude_max=True)
error = st.just(ErrorReport("ValueError", "no"))
budgets = st.builds(
    Budget,
    tries=st.integers(1, 200),
    max_attempts=st.integers(1, 100),
    losses=st.integers(0, 10),
    max_losses=st.integers(1, 10),
)
failures = st.builds(
    Failed,
    reason=st.sampled_from([Reason.ERROR, Reason.TIMEOUT]),
    error=error,
    permanent=st.booleans(),
    after_s=st.none() | st.floats(0, 1e6),
)
outcomes = st.one_of(
    st.builds(Succeeded, result=st.just("null")), failures, st.just(Cancelled()), st.builds(Lost, error=error)
)


@given(outcomes, budgets, dice)
def test_every_outcome_leads_where_a_running_task_may_go(outcome, budget, roll):
    assert decide(outcome, budget, RetryPolicy(), roll).to in MOVES[Status.RUNNING]


@given(outcomes, budgets, dice)
def test_another_attempt_has_a_delay_unless_the_worker_was_lost(outcome, budget, roll):
    move = decide(outcome, budget, RetryPolicy(), roll)
    assert (move.due_in_s is not None) == (move.to is Status.RETRYING and not isinstance(outcome, Lost))


@given(outcomes, budgets, dice)
def test_whatever_does_not_succeed_has_a_reason(outcome, budget, roll):
    move = decide(outcome, budget, RetryPolicy(), roll)
    assert (move.reason is None) == (move.to is Status.SUCCEEDED)


@given(failures, budgets, dice)
def test_no_task_is_tried_more_often_than_it_may(failure, budget, roll):
    retries = decide(failure, budget, RetryPolicy(), roll).to is Status.RETRYING
    assert retries == (not failure.permanent and budget.tries < budget.max_attempts)


@given(budgets, dice)
def test_a_lost_worker_spends_no_attempt_but_not_for_ever(budget, roll):
    move = decide(Lost(ErrorReport("WorkerLost", "gone")), budget, RetryPolicy(), roll)
    assert (move.to is Status.RETRYING) == (budget.losses + 1 < budget.max_losses)


@given(st.integers(1, 10_000), dice)
def test_a_delay_never_passes_the_longest(tries, roll):
    assert 0 <= RetryPolicy(longest_s=60).delay_s(tries, roll) < 60


@given(st.integers(1, 50))
def test_delays_grow_until_the_longest(tries):
    policy = RetryPolicy(longest_s=60)
    assert policy.delay_s(tries, 0.999) <= policy.delay_s(tries + 1, 0.999)


def test_a_handler_that_names_its_delay_gets_it():
    outcome = Failed(Reason.ERROR, ErrorReport("Retry", "later"), after_s=7.5)
    assert decide(outcome, Budget(1, 5), RetryPolicy(), 0.5).due_in_s == 7.5


def test_only_a_person_brings_a_task_back_from_its_end():
    assert {target for end in FINAL for target in MOVES[end]} <= {Status.QUEUED}
    assert MOVES[Status.SUCCEEDED] == frozenset()


def test_every_status_has_a_meaning_and_its_moves():
    assert set(MEANING) == set(MOVES) == set(Status)
    assert WAITING | FINAL | {Status.RUNNING} == set(Status)


def test_every_waiting_task_can_be_cancelled():
    assert all(Status.CANCELLED in MOVES[status] for status in WAITING)
