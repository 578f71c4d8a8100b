"""Which faults happen when."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskyard.verify.faults.catalogue import FAULTS
from taskyard.verify.faults.plan import SORTS, alone_s, named, plan

seeds = st.integers(0, 2**32 - 1)
durations = st.floats(20, 3600)
counts = st.integers(1, 500)
UNHURRIED = settings(deadline=None)  # the machine may be busy


@UNHURRIED
@given(seeds, durations, counts)
def test_the_same_seed_brings_the_same_faults(seed, duration_s, at_least):
    assert plan(seed, duration_s, at_least) == plan(seed, duration_s, at_least)


def test_another_seed_brings_others():
    assert plan(1, 600, 300) != plan(2, 600, 300)


@UNHURRIED
@given(seeds, durations, counts)
def test_there_are_as_many_as_were_asked_for_and_each_has_its_number(seed, duration_s, at_least):
    faults = plan(seed, duration_s, at_least).faults
    assert len(faults) >= at_least
    assert [fault.number for fault in faults] == list(range(len(faults)))


@UNHURRIED
@given(seeds, durations, counts)
def test_the_mixed_ones_come_in_their_order_and_within_the_time(seed, duration_s, at_least):
    planned = plan(seed, duration_s, at_least)
    left_s = duration_s - (alone_s() + duration_s / 6 if planned.alone else 0)
    moments = [fault.at_s for fault in planned.mixed]
    assert moments == sorted(moments)
    assert all(0 <= at_s <= left_s for at_s in moments)
    assert all(fault.lasts_s <= left_s / 3 for fault in planned.mixed)
    assert all(0 <= fault.dice < 1 for fault in planned.faults)


@UNHURRIED
@given(seeds)
def test_each_sort_comes_alone_first_where_there_is_time(seed):
    assert [fault.sort for fault in plan(seed, 2 * alone_s(), 300).alone] == [sort.name for sort in SORTS]
    assert plan(seed, alone_s(), 300).alone == []


@UNHURRIED
@given(seeds)
def test_then_workers_and_children_are_killed_in_turn_while_all_else_is_well(seed):
    planned = plan(seed, 900, 300)
    sorts = Counter(fault.sort for fault in planned.kills)
    assert set(sorts) == {"worker.kill", "child.kill"}
    assert sum(sorts.values()) >= 30
    assert max(fault.at_s for fault in planned.kills) <= 900 / 6
    assert plan(seed, 900, 300, named(["rabbitmq"])).kills == []


def test_a_long_run_has_every_sort_among_the_mixed_ones_too():
    mixed = Counter(fault.sort for fault in plan(1, 900, 2000).mixed)
    assert set(mixed) == {sort.name for sort in SORTS}


def test_faults_are_chosen_by_name_or_by_family():
    assert [sort.name for sort in named(["worker.kill"])] == ["worker.kill"]
    assert {sort.name.partition(".")[0] for sort in named(["rabbitmq", "clock"])} == {"rabbitmq", "clock"}
    assert named([]) == list(SORTS)
    with pytest.raises(ValueError, match=r"no fault rabbit;.*rabbitmq\.kill"):
        named(["rabbit"])


def test_each_sort_of_the_plan_can_be_injected():
    assert set(FAULTS) == {sort.name for sort in SORTS}
