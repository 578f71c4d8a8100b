"""How many requests a key may send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.errors import RateExceededError
from taskyard_api.rates import Rates


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def _taken(rates, count, rate_per_s=None, key="a"):
    """Send `count` requests and return how many were let through."""
    passed = 0
    for _ in range(count):
        try:
            rates.take(key, rate_per_s)
        except RateExceededError:
            continue
        passed += 1
    return passed


def test_two_seconds_worth_may_come_at_once_then_the_rate_holds(clock):
    rates = Rates(10, clock)
    assert _taken(rates, 100) == 20
    clock.now_s += 1
    assert _taken(rates, 100) == 10
    clock.now_s += 1000
    assert _taken(rates, 100) == 20


def test_a_rate_of_its_own_holds_instead_and_keys_do_not_share(clock):
    rates = Rates(10, clock)
    assert _taken(rates, 100, rate_per_s=2) == 4
    assert _taken(rates, 100, key="b") == 20


def test_a_slow_rate_lets_one_request_through(clock):
    rates = Rates(0.1, clock)
    assert _taken(rates, 3) == 1
    with pytest.raises(RateExceededError, match=r"may send 0\.1 requests a second") as refused:
        rates.take("a", None)
    assert refused.value.retry_after_s == 10


def test_0_is_no_limit(clock):
    assert _taken(Rates(0, clock), 10_000) == 10_000


def test_keys_that_sent_nothing_lately_are_forgotten(clock):
    rates = Rates(10, clock)
    for number in range(20_000):
        rates.take(str(number), None)
        clock.now_s += 0.01
    assert len(rates._full_at) <= 10_000


@given(st.floats(0.01, 1000), st.lists(st.floats(0, 5), max_size=60))
def test_who_waits_as_told_is_let_through(rate, pauses):
    clock = Clock()
    rates = Rates(rate, clock)
    for pause in pauses:
        clock.now_s += pause
        try:
            rates.take("a", None)
        except RateExceededError as refused:
            clock.now_s += refused.retry_after_s
            rates.take("a", None)
