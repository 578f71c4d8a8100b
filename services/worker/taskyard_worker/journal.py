"""What became of the tasks of a message, in memory that outlives the child that ran them.

A child writes down which task it begins and how it ended, before the record knows. When it dies, the parent reads what
had ended, what was running, and so what had not begun. Each child has a journal of its own, and the last few of a slot
are kept, since the parent learns of a death only after the next child may have begun.
"""

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from taskyard.outcomes import Cancelled, ErrorReport, Failed, Outcome, Succeeded
from taskyard.statements.claims import Held
from taskyard.states import Reason

_KEPT: Final = 4
_JOURNAL_BYTES: Final = 64 * 1024
_WORDS: Final = _JOURNAL_BYTES // 8
(_TASK, _ATTEMPT, _RUNNING_TASK, _RUNNING_ATTEMPT, _CLOSED, _USED_BYTES) = range(6)
_HEAD_BYTES: Final = 6 * 8


@dataclass(frozen=True, slots=True)
class Left:
    """What a dead child left of a message. Where it is `closed`, what had not begun was given back already."""

    ended: dict[Held, Outcome]
    running: Held | None
    closed: bool


class Journals:
    """All journals of a worker. To be made before the pool forks; memory that nobody writes to is not taken."""

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, slots * _KEPT * _JOURNAL_BYTES)
        self._words = memoryview(self._memory).cast("q")
        self._slots = slots
        self._opened = memoryview(mmap.mmap(-1, slots * 8)).cast("q")

    def open(self, slot: int) -> "Journal":
        """Return a journal for a new child in this slot, in place of the oldest there."""
        number = slot * _KEPT + self._opened[slot] % _KEPT
        self._opened[slot] += 1
        journal = Journal(self._memory, self._words, number)
        journal.forget()
        return journal

    def find(self, first: Held) -> Left | None:
        """Return what is left of the message whose first attempt is `first`; None where no journal is of it."""
        for number in range(self._slots * _KEPT):
            journal = Journal(self._memory, self._words, number)
            if journal.message == first:
                return journal.left()
        return None


class Journal:
    """The journal of one child: of the message that it has now, or had last."""

    def __init__(self, memory: mmap.mmap, words: memoryview, number: int) -> None:
        self._memory = memory
        self._words = words
        self._at = number * _WORDS
        self._start = number * _JOURNAL_BYTES + _HEAD_BYTES

    @property
    def message(self) -> Held:
        """The first attempt of the message."""
        return Held(self._words[self._at + _TASK], self._words[self._at + _ATTEMPT])

    def open(self, first: Held) -> None:
        """Begin a message, the first of whose attempts is `first`."""
        words, at = self._words, self._at
        words[at + _TASK] = words[at + _RUNNING_TASK] = words[at + _CLOSED] = words[at + _USED_BYTES] = 0
        words[at + _ATTEMPT] = first.attempt
        words[at + _TASK] = first.task_id

    def forget(self) -> None:
        """Be of no message any more: all of the last one is in the record."""
        self._words[self._at + _TASK] = 0

    def begin(self, held: Held) -> None:
        """Write down that `held` begins to run."""
        self._words[self._at + _RUNNING_ATTEMPT] = held.attempt
        self._words[self._at + _RUNNING_TASK] = held.task_id

    def end(self, held: Held, outcome: Outcome) -> bool:
        """Write down how `held` ended; return whether there was room for it."""
        words, at = self._words, self._at
        entry = orjson.dumps([held.task_id, held.attempt, type(outcome).__name__, outcome]) + b"\n"
        used = words[at + _USED_BYTES]
        if _HEAD_BYTES + used + len(entry) > _JOURNAL_BYTES:
            return False
        self._memory[self._start + used : self._start + used + len(entry)] = entry
        words[at + _USED_BYTES] = used + len(entry)  # from here on it counts
        words[at + _RUNNING_TASK] = 0
        return True

    def close(self) -> None:
        """Write down that nothing else of the message begins here."""
        self._words[self._at + _CLOSED] = 1

    def left(self) -> Left:
        """Return what a child that died left of its message."""
        words, at = self._words, self._at
        ended = dict(self._entries())
        running = Held(words[at + _RUNNING_TASK], words[at + _RUNNING_ATTEMPT])
        return Left(
            ended,
            running if running.task_id and running not in ended else None,
            closed=bool(words[at + _CLOSED]),
        )

    def _entries(self) -> Iterator[tuple[Held, Outcome]]:
        written = self._memory[self._start : self._start + self._words[self._at + _USED_BYTES]]
        for line in written.splitlines():
            task_id, attempt, name, facts = orjson.loads(line)
            yield Held(task_id, attempt), _outcome(name, facts)


def after_death(
    left: Left | None, attempts: Sequence[Held], lost: Outcome
) -> tuple[dict[Held, Outcome], Sequence[Held]]:
    """Say what is to be recorded of the `attempts` of a message whose child died, and what is to be given back. Pure.

    Where nobody knows which of them ran, all are lost: one that kills its child must not come back as if it had not.
    """
    if left is None or (left.running is None and not left.ended):
        return dict.fromkeys(attempts, lost), []
    outcomes = left.ended if left.running is None else {**left.ended, left.running: lost}
    return outcomes, [] if left.closed else [held for held in attempts if held not in outcomes]


def _outcome(name: str, facts: dict[str, Any]) -> Outcome:
    match name:
        case "Succeeded":
            return Succeeded(**facts)
        case "Cancelled":
            return Cancelled()
        case _:
            return Failed(**facts | {"reason": Reason(facts["reason"]), "error": ErrorReport(**facts["error"])})
