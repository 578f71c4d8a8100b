"""Laws of what a child has of one message, and of what it leaves when it dies."""

import os
import signal
import threading
from datetime import UTC, datetime

import pytest

from taskyard.outcomes import Cancelled, ErrorReport, Failed, Move, Succeeded
from taskyard.statements.claims import Claim, Held
from taskyard.statements.finishing import lost
from taskyard.states import Reason, Status
from taskyard_worker.bundle import Bundle, Done
from taskyard_worker.journal import Journals, after_death
from taskyard_worker.overdue import Overdue
from taskyard_worker.run_times import RunTimes
from waiting import eventually

ATTEMPTS = [Held(number, 1) for number in range(1, 6)]
OUTCOMES = [
    Succeeded('{"ä": 1}'),
    Failed(Reason.ERROR, ErrorReport("ValueError", "no\nno", "Traceback …"), after_s=1.5),
    Failed(Reason.DISCARDED, ErrorReport("Discard", "no use"), permanent=True),
    Cancelled(),
]
LOST = lost("gone")


def _claims() -> list[Claim]:
    return [Claim(held, "sleep", "n", (), {}, datetime.now(UTC), 60.0, 5, 0, 0, 0.0) for held in ATTEMPTS]


def _done(claim: Claim, outcome) -> Done:
    return Done(claim, outcome, Move(Status.SUCCEEDED), 1.0, 1.5)


@pytest.fixture
def journals():
    return Journals(2)


@pytest.fixture
def bundle(journals):
    journal = journals.open(0)
    journal.open(ATTEMPTS[0])
    return Bundle(_claims(), journal)


def test_each_task_is_begun_once_in_order_and_recorded_once(bundle):
    begun = []
    while (claim := bundle.next()) is not None:
        begun.append(claim.held)
        more_may_come = bundle.end(_done(claim, OUTCOMES[0]))
        assert more_may_come == (len(begun) < len(ATTEMPTS))
    assert begun == ATTEMPTS
    assert [done.claim.held for done in bundle.take_done()] == ATTEMPTS
    assert bundle.take_done() == []


def test_what_was_given_up_does_not_begin(bundle):
    claim = bundle.next()
    assert bundle.give_up() == ATTEMPTS[1:]
    assert bundle.next() is None
    assert bundle.end(_done(claim, OUTCOMES[0])) is False
    assert bundle.give_up() == []


def test_a_dead_child_leaves_what_ended_what_ran_and_what_had_not_begun(bundle, journals):
    for outcome in OUTCOMES[:3]:
        bundle.end(_done(bundle.next(), outcome))
    bundle.next()
    outcomes, unbegun = after_death(journals.find(ATTEMPTS[0]), ATTEMPTS, LOST)
    assert outcomes == {**dict(zip(ATTEMPTS, OUTCOMES, strict=False)), ATTEMPTS[3]: LOST}
    assert unbegun == [ATTEMPTS[4]]


def test_every_outcome_is_read_as_it_was_written(journals):
    journal = journals.open(1)
    journal.open(ATTEMPTS[0])
    for held, outcome in zip(ATTEMPTS, OUTCOMES, strict=False):
        assert journal.end(held, outcome)
    assert journals.find(ATTEMPTS[0]).ended == dict(zip(ATTEMPTS, OUTCOMES, strict=False))


def test_what_was_given_up_is_not_given_back_again_after_a_death(bundle, journals):
    bundle.next()
    bundle.give_up()
    assert after_death(journals.find(ATTEMPTS[0]), ATTEMPTS, LOST) == ({ATTEMPTS[0]: LOST}, [])


def test_where_nobody_knows_what_ran_all_of_it_is_lost(bundle, journals):
    everything = dict.fromkeys(ATTEMPTS, LOST)
    assert after_death(journals.find(ATTEMPTS[0]), ATTEMPTS, LOST) == (everything, [])  # none had begun
    assert after_death(journals.find(Held(99, 1)), ATTEMPTS, LOST) == (everything, [])


def test_an_outcome_that_is_too_large_is_recorded_before_the_rest(bundle):
    assert bundle.end(_done(bundle.next(), Succeeded("1" * 70_000))) is False
    assert bundle.end(_done(bundle.next(), OUTCOMES[0])) is True


def test_the_next_children_in_a_slot_leave_what_a_dead_one_left(bundle, journals):
    bundle.next()
    for _ in range(3):
        journals.open(0).open(Held(77, 1))
    assert journals.find(ATTEMPTS[0]).running == ATTEMPTS[0]
    journals.open(0)
    assert journals.find(ATTEMPTS[0]) is None


def test_a_journal_outlives_the_process_that_wrote_it(journals):
    pid = os.fork()
    if pid == 0:
        journal = journals.open(0)
        journal.open(ATTEMPTS[0])
        journal.begin(ATTEMPTS[0])
        journal.end(ATTEMPTS[0], OUTCOMES[0])
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert journals.find(ATTEMPTS[0]).ended == {ATTEMPTS[0]: OUTCOMES[0]}


def test_what_is_watched_for_too_long_is_called_out_once():
    called = []
    overdue = Overdue(0.05, called.append)
    with overdue.watching("slow"):
        eventually(lambda: called == ["slow"], "it is called out")
        with overdue.watching("next"):
            eventually(lambda: called == ["slow", "next"], "so is the next")


def test_what_ends_in_time_is_not_called_out():
    called = []
    overdue = Overdue(0.2, called.append)
    for number in range(2000):
        with overdue.watching(number):
            pass
    with overdue.watching("slow"):
        eventually(lambda: called, "the slow one is called out")
    assert called == ["slow"]


def test_who_watches_takes_no_signals():
    seen = []
    overdue = Overdue(0.01, lambda _: seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
    with overdue.watching("it"):
        eventually(lambda: seen, "it is called out")
    assert {signal.SIGALRM, signal.SIGUSR2} <= seen[0]
    assert threading.current_thread() is threading.main_thread()


def test_run_times_are_news_when_they_changed_by_much():
    times = RunTimes()
    times.note("noop", 0.001)
    assert times.news() == {"noop": 0.001}
    for _ in range(5):
        times.note("noop", 0.001)
    assert times.news() == {}
    times.note("noop", 1.0)
    assert times.news()["noop"] == pytest.approx(0.051, rel=0.01)
