"""A loop of duties: who leads does them, who does not stands by, and one that stands still is seen."""

import threading

import pytest
from prometheus_client import CollectorRegistry

from taskyard.database import Session
from taskyard.health import Health
from taskyard_dispatcher.duties import Duty, Loop
from taskyard_dispatcher.metrics import DispatcherMetrics
from taskyard_dispatcher.publisher import BufferUnavailableError
from waiting import eventually


@pytest.fixture
def start(database_url):
    """Starts a loop with one duty, in a thread of its own, and ends all of them at the end."""
    stop = threading.Event()
    threads = []

    def start_loop(act, stand_by=lambda: None) -> Health:
        health = Health(stall_s=1)
        pulse = health.pulse("record")
        session = Session(database_url, "loop", sticky=True, outside=pulse.outside)
        metrics = DispatcherMetrics(CollectorRegistry())
        loop = Loop("record", session, [Duty("act", 0.05, act)], metrics, pulse, stand_by)
        threads.append(threading.Thread(target=loop.run, args=(stop,)))
        threads[-1].start()
        return health

    yield start_loop
    stop.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_a_duty_that_stands_still_is_seen_until_it_goes_on(start):
    goes_on = threading.Event()
    health = start(lambda: not goes_on.wait(60))
    try:
        eventually(lambda: health.stalled() == ["record"], "the loop is stalled")
    finally:
        goes_on.set()
    eventually(lambda: health.stalled() == [], "the loop turns again")


def test_one_leads_and_the_other_stands_by_though_the_buffer_is_away(start):
    acts, stood_by = [], []

    def fail() -> None:
        stood_by.append(1)
        raise BufferUnavailableError("away")

    start(lambda: acts.append("first"))
    eventually(lambda: acts, "the first leads")
    start(lambda: acts.append("second"), fail)
    eventually(lambda: len(stood_by) > 1, "the second stands by, again and again")
    assert set(acts) == {"first"}
