"""What each child is doing, in memory that the parent and its children share.

    child  ──▶ the attempt it runs, its time limit, its progress ──▶ parent
    child  ◀── the attempt that is to be cancelled ◀──────────────── parent

One slot a child, by the index that the pool gives it. Times are on the monotonic clock, which both share. Numbers are
whole machine words, written in one piece; the note of the progress is guarded by a count that is odd while it is
written.
"""

import mmap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from taskyard.documents import storable
from taskyard.statements.claims import Held
from taskyard_worker.journal import Journals
from taskyard_worker.limits import Limit

_SLOT_BYTES: Final = 1024
_NOTE_BYTES: Final = 800
_WORDS: Final = _SLOT_BYTES // 8
(
    _PID,
    _TASK,
    _ATTEMPT,
    _DEADLINE_NS,
    _LIMIT_NS,
    _LIMIT_OF_WORKER,
    _CANCEL_TASK,
    _CANCEL_ATTEMPT,
    _PROGRESS,
    _VERSION,
    _NOTE_SIZE,
) = range(11)
_NOTE_AT: Final = 11 * 8
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Running:
    """A child's slot while it runs an attempt. `deadline_s`, when its `limit` is over, is on the monotonic clock."""

    slot: int
    pid: int
    held: Held
    deadline_s: float
    limit: Limit


@dataclass(frozen=True, slots=True)
class Progress:
    """What an attempt last said of itself; `version` grows with each report."""

    held: Held
    fraction: float
    note: str
    version: int


class Board:
    """The shared memory. To be made before the pool forks."""

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, slots * _SLOT_BYTES)
        self._words = memoryview(self._memory).cast("q")
        self._slots = slots
        self.journals = Journals(slots)

    def slot(self, index: int) -> "Slot":
        """Return the slot of the child with this index in the pool."""
        if not 0 <= index < self._slots:
            raise IndexError(f"the board has {self._slots} slots, not one of index {index}")
        return Slot(self._memory, self._words, index)

    def running(self) -> list[Running]:
        """Return what runs just now."""
        found = (self.slot(index).running() for index in range(self._slots))
        return [running for running in found if running is not None]

    def progress(self) -> Iterator[Progress]:
        """Give the progress of what runs just now, where any was reported."""
        for index in range(self._slots):
            if progress := self.slot(index).read_progress():
                yield progress


class Slot:
    """One child's place on the board."""

    def __init__(self, memory: mmap.mmap, words: memoryview, index: int) -> None:
        self._memory = memory
        self._words = words
        self._index = index
        self._at = index * _WORDS

    def occupy(self, pid: int) -> None:
        """Take the slot for a child that has just started."""
        self._words[self._at + _TASK] = 0
        self._words[self._at + _PID] = pid

    def begin(self, held: Held, limit: Limit) -> None:
        """Show that the child runs `held` from now on, for as long as `limit` lets it."""
        words, at = self._words, self._at
        words[at + _ATTEMPT] = held.attempt
        words[at + _DEADLINE_NS] = int((time.monotonic() + limit.seconds) * 1e9)
        words[at + _LIMIT_NS] = int(limit.seconds * 1e9)
        words[at + _LIMIT_OF_WORKER] = limit.of_worker
        words[at + _VERSION] = words[at + _NOTE_SIZE] = words[at + _PROGRESS] = 0
        words[at + _TASK] = held.task_id  # last: from here on the slot counts

    def end(self) -> None:
        """Show that the child runs nothing."""
        self._words[self._at + _TASK] = 0

    def running(self) -> Running | None:
        """Return what the child runs, None where nothing."""
        words, at = self._words, self._at
        task_id = words[at + _TASK]
        found = Running(
            self._index,
            words[at + _PID],
            Held(task_id, words[at + _ATTEMPT]),
            words[at + _DEADLINE_NS] / 1e9,
            Limit(words[at + _LIMIT_NS] / 1e9, of_worker=bool(words[at + _LIMIT_OF_WORKER])),
        )
        return found if task_id and words[at + _TASK] == task_id else None

    def request_cancel(self, held: Held) -> None:
        """Ask the child to cancel `held`; it looks when it gets its signal, and cancels nothing else."""
        self._words[self._at + _CANCEL_ATTEMPT] = held.attempt
        self._words[self._at + _CANCEL_TASK] = held.task_id

    def is_cancelled(self, held: Held) -> bool:
        """Whether the child was asked to cancel `held`."""
        words, at = self._words, self._at
        return bool(words[at + _CANCEL_TASK] == held.task_id and words[at + _CANCEL_ATTEMPT] == held.attempt)

    def report(self, fraction: float, note: str) -> None:
        """Show the progress of what runs."""
        words, at = self._words, self._at
        text = storable(note).encode()[:_NOTE_BYTES]
        start = self._index * _SLOT_BYTES + _NOTE_AT
        words[at + _VERSION] += 1
        self._memory[start : start + len(text)] = text
        words[at + _NOTE_SIZE] = len(text)
        words[at + _PROGRESS] = int(fraction * _MILLION)
        words[at + _VERSION] += 1

    def read_progress(self) -> Progress | None:
        """Return the progress last shown; None where there is none, or it is just being written."""
        words, at = self._words, self._at
        version, running = words[at + _VERSION], self.running()
        if running is None or version == 0 or version % 2:
            return None
        start = self._index * _SLOT_BYTES + _NOTE_AT
        note = self._memory[start : start + words[at + _NOTE_SIZE]].decode("utf-8", "ignore")
        fraction = words[at + _PROGRESS] / _MILLION
        return Progress(running.held, fraction, note, version) if words[at + _VERSION] == version else None
