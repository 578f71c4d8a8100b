"""Whose turn it is, and what every measure says of itself, without any server."""

from dataclasses import replace

import pytest
import typer

from bench.__main__ import chosen
from bench.measures import ALL, Figure, Measure
from bench.measures.cost import per_task
from bench.rounds import due, turns
from bench.systems import SYSTEMS
from bench.turns import QUICK, Sizes


def measure(name, group, *systems):
    return Measure(name, group, systems, lambda _: {}, (Figure("per_s", name, "/s"),))


POST = measure("post", "front", "empty", "taskyard")
READ = measure("read", "front", "taskyard")
DRAIN = measure("drain", "back", "raw", "taskyard")


def test_measures_of_a_group_share_a_turn_and_groups_follow_one_another():
    taken = [(system, [each.name for each in mine]) for system, mine in turns([POST, DRAIN, READ])]
    assert taken == [
        ("empty", ["post"]),
        ("taskyard", ["post", "read"]),
        ("raw", ["drain"]),
        ("taskyard", ["drain"]),
    ]


def test_what_takes_long_is_taken_less_often():
    sizes = Sizes(rounds=3, long_rounds=2)
    measures = [POST, replace(READ, once=True), replace(DRAIN, is_long=True)]
    names = [[each.name for each in due(measures, sizes, number)] for number in (1, 2, 3)]
    assert names == [["post", "read", "drain"], ["post", "drain"], ["post"]]


def test_systems_take_turns_more_than_once():
    assert Sizes().rounds >= 2
    assert QUICK.rounds >= 2


def test_names_of_measures_choose_them():
    assert [each.name for each in chosen("read, post")] == ["post", "read"]
    assert chosen("") == list(ALL)
    with pytest.raises(typer.BadParameter, match="there is no nap; there are post, "):
        chosen("nap")


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)
def test_a_measure_names_systems_that_there_are_and_targets_that_it_measures(each):
    assert set(each.systems) <= SYSTEMS.keys()
    names = [figure.name for figure in each.figures]
    assert len(names) == len(set(names))
    for target in (target for figure in each.figures for target in figure.targets):
        assert target.system in each.systems
        assert target.than is None or target.than in each.systems


def test_names_of_measures_are_unique():
    assert len({each.name for each in ALL}) == len(ALL)


def test_a_cost_is_what_was_added_for_each_task():
    before = {"wal": 1000.0, "cpu api": 5.0, "cpu worker": 1.0, "cpu load": 7.0}
    after = {"wal": 3000.0, "cpu api": 25.0, "cpu worker": 11.0, "cpu load": 107.0, "cpu late": 1.0}
    assert per_task(before, after, 10) == {
        "wal": 200.0,
        "cpu api": 2.0,
        "cpu worker": 1.0,
        "cpu load": 10.0,
        "cpu all": 3.0,
    }
