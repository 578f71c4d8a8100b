"""Laws of the memory that parent and children share."""

import multiprocessing
import os
import time

from taskyard.statements.claims import Held
from taskyard_worker.board import Board
from taskyard_worker.limits import Limit

HELD = Held(2**40, 7)


def test_a_slot_shows_what_was_begun_until_it_ended():
    board = Board(2)
    board.slot(1).occupy(4711)
    assert board.running() == []
    before_s = time.monotonic()
    board.slot(1).begin(HELD, Limit(12.5, of_worker=True))
    [running] = board.running()
    assert (running.slot, running.pid, running.held, running.limit) == (1, 4711, HELD, Limit(12.5, of_worker=True))
    assert before_s + 12.5 <= running.deadline_s + 1e-6 <= time.monotonic() + 12.5
    board.slot(1).end()
    assert board.running() == []


def test_a_cancellation_is_for_one_attempt_alone():
    slot = Board(1).slot(0)
    slot.request_cancel(HELD)
    assert slot.is_cancelled(HELD)
    assert not slot.is_cancelled(Held(HELD.task_id, HELD.attempt + 1))
    assert not slot.is_cancelled(Held(HELD.task_id + 1, HELD.attempt))


def test_progress_is_the_last_that_was_reported():
    board = Board(1)
    slot = board.slot(0)
    slot.occupy(1)
    slot.begin(HELD, Limit(1))
    assert list(board.progress()) == []
    slot.report(0.25, "a quarter")
    slot.report(0.5, "ä" * 200)
    [progress] = board.progress()
    assert (progress.held, progress.fraction, progress.note) == (HELD, 0.5, "ä" * 200)


def test_a_new_attempt_begins_without_progress():
    board = Board(1)
    slot = board.slot(0)
    slot.begin(HELD, Limit(1))
    slot.report(1, "done")
    slot.begin(Held(2, 1), Limit(1))
    assert list(board.progress()) == []


def test_a_forked_process_writes_what_its_parent_reads():
    board = Board(1)

    def child() -> None:
        board.slot(0).occupy(os.getpid())
        board.slot(0).begin(HELD, Limit(3))
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(10)
    [running] = board.running()
    assert (running.pid, running.held) == (process.pid, HELD)
