"""The load that lasts: what is offered, and what is seen of it."""

from dataclasses import replace

from bench.measures import sustaining
from bench.measures.sustaining import SUSTAINING
from bench.systems import SYSTEMS
from bench.turns import Sizes, turn


def test_taskyard_gets_five_and_a_half_times_what_the_rival_did(taskyard_servers):
    earlier = {"handwritten-early": {"sustain per_s": 10.0}}
    with turn(SYSTEMS["taskyard"], taskyard_servers, replace(Sizes(), sustained_s=4.0), earlier) as taken:
        figures = sustaining.run(taken)
        assert taken.place.value("SELECT count(*) FROM tasks WHERE status <> 'succeeded'") == 0
    assert figures.keys() == {figure.name for figure in SUSTAINING.figures}
    assert round(figures["offered"], 6) == 55.0
    assert figures["done"] == 220
    assert 0 < figures["last p50"] <= figures["last p99"]
    assert min(figures[f"{part} memory"] for part in ("slot", "worker", "api", "dispatcher")) > 1


def test_growth_is_told_in_times_of_what_was_there_early():
    assert sustaining._growth({"api": 50.0, "slot": 20.0}, {"api": 55.0, "slot": 20.0}) == {
        "api memory": 55.0,
        "api memory growth": 1.1,
        "slot memory": 20.0,
        "slot memory growth": 1.0,
    }


def test_a_wait_that_stays_long_is_not_met_however_steady():
    [target] = next(figure.targets for figure in SUSTAINING.figures if figure.name == "last p50")
    assert (target.bound, target.at_most, target.than) == (100, True, None)
