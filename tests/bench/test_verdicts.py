"""From rounds to ratios and verdicts, without any server."""

import pytest

from bench.measures import Figure, Measure, Target
from bench.verdicts import Seen, Verdict, judge, median_of

RATE = Figure("per_s", "a rate", "/s")
MEASURE = Measure("load", "front", ("taskyard", "raw"), lambda _: {}, (RATE,))


def seen(system, *values, figure="per_s", measure="load"):
    return [Seen(number, system, measure, figure, value) for number, value in enumerate(values, 1)]


def test_the_median_is_of_one_figure_of_one_system():
    numbers = [
        *seen("taskyard", 10, 30, 20),
        *seen("raw", 900),
        *seen("taskyard", 800, figure="p99"),
        *seen("taskyard", 700, measure="other"),
    ]
    assert median_of(numbers, MEASURE, RATE, "taskyard") == 20
    assert median_of(numbers, MEASURE, RATE, "empty") is None


def test_a_ratio_is_taken_within_each_round():
    """A machine that was slow in one round was slow for both."""
    numbers = [*seen("taskyard", 100, 10, 60), *seen("raw", 50, 2, 20)]
    target = Target(3, "raw")
    assert judge(numbers, MEASURE, RATE, target) == Verdict(target, 3.0, met=True)


def test_a_round_in_which_the_other_failed_does_not_count():
    numbers = [*seen("taskyard", 100, 10), *seen("raw", 50)]
    target = Target(3, "raw")
    assert judge(numbers, MEASURE, RATE, target) == Verdict(target, 2.0, met=False)


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target(20), True),
        (Target(21), False),
        (Target(20, at_most=True), True),
        (Target(19, at_most=True), False),
    ],
)
def test_a_bound_itself_is_met(target, met):
    assert judge(seen("taskyard", 20), MEASURE, RATE, target) == Verdict(target, 20, met=met)


def test_a_target_may_be_another_set_up_s():
    numbers = [*seen("taskyard", 500), *seen("single", 70), *seen("raw", 100)]
    target = Target(0.7, "raw", system="single")
    assert judge(numbers, MEASURE, RATE, target) == Verdict(target, 0.7, met=True)


def test_what_was_not_measured_is_neither_met_nor_missed():
    assert judge(seen("taskyard", 20), MEASURE, RATE, Target(2, "raw")) is None
    assert judge(seen("raw", 20), MEASURE, RATE, Target(2, "raw")) is None


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(0.6, "empty"), "≥ 0.6 × empty"),
        (Target(20_000), "≥ 20,000"),
        (Target(50, at_most=True), "≤ 50"),
    ],
)
def test_a_target_says_what_it_asks(target, words):
    assert target.words == words
