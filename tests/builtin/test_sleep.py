"""Laws of sleep."""

import time

from taskyard.testing import run
from taskyard_worker.builtin.sleep import sleep


def test_no_payload_does_nothing(monkeypatch):
    monkeypatch.setattr(time, "sleep", None)
    assert run(sleep) == {"slept_s": 0.0}


def test_it_takes_its_time_and_tells_each_step():
    told = []
    started = time.monotonic()
    result = run(sleep, {"seconds": 0.1, "steps": 4}, report=lambda fraction, _: told.append(fraction))
    assert time.monotonic() - started >= 0.1
    assert result["slept_s"] >= 0.1
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_a_cancelled_one_stops_early():
    answers = iter([False, True])
    result = run(sleep, {"seconds": 3600}, is_cancelled=lambda: next(answers, True))
    assert result["slept_s"] < 60
