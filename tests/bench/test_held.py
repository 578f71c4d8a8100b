"""Clients that do nothing, and queues in which nothing happens, measured on a running system."""

from dataclasses import replace

from bench.measures import held, queues
from bench.systems import SYSTEMS
from bench.turns import Sizes, turn

SIZES = replace(Sizes(), held_idle=50, held_polls=20, held_s=0.2, idle_s=0.2)


def test_connections_are_held_and_polls_end_with_their_tasks(taskyard_servers, monkeypatch):
    monkeypatch.setattr(held, "_SETTLE_S", 0.1)
    with turn(SYSTEMS["taskyard"], taskyard_servers, SIZES, {}) as taken:
        figures = held.run(taken)
        statuses = taken.place.rows("SELECT DISTINCT status FROM tasks")
        assert taken.place.environment["TASKYARD_API_MAX_CONNECTIONS"] == "120"
    assert figures.keys() == {figure.name for figure in held.HELD.figures}
    assert statuses == [("succeeded",)]
    assert 0 < figures["late p50"] <= figures["late last"]


def test_queues_are_led_while_it_is_seen_what_they_cost(taskyard_servers, monkeypatch):
    monkeypatch.setattr(queues, "_COUNTS", (1, 5))
    with turn(SYSTEMS["taskyard"], taskyard_servers, SIZES, {}) as taken:
        figures = queues.run(taken)
        [leader] = taken.place.row("SELECT count(DISTINCT pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        assert taken.place.value("SELECT count(*) FROM queues") == 5
    assert leader >= 1
    assert figures["worker connections"] == 3, "one of each slot, one of the parent"
    assert {"1 dispatcher", "5 dispatcher", "1 postgresql", "5 postgresql"} <= figures.keys()
