"""Which tasks share a message: short ones of a kind, where many wait. Pure.

A message costs RabbitMQ, Celery and the record about the same whether it carries one task or fifty. So tasks that take
a millisecond go together, as many as take about `WORTH_S` in all, and one that takes longer goes alone. Where few
wait, each goes alone too: slots that are free shall share them. So does whatever was tried before: if it was that which
killed its worker, it shall not take others with it again.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from typing import Final

from taskyard.statements.dispatching import Bundle, Picked, ReadyTask

WORTH_S: Final = 0.1
"""Seconds of work that a message of several tasks is worth, about."""

_SPREAD: Final = 16
"""Messages among which the last tasks of a queue are spread at least."""


def bundle(picked: Picked, recent_run_s: Mapping[str, float], most: int) -> list[Bundle]:
    """Put what was picked into messages of up to `most` tasks, in order; `recent_run_s` is by kind, where known."""
    if picked.are_all:
        most = min(most, len(picked.tasks) // _SPREAD)
    return [tasks for key, run in groupby(picked.tasks, _key) for tasks in _parts(run, _size(key, recent_run_s, most))]


def _key(task: ReadyTask) -> tuple[str, int, bool]:
    return task.kind, task.priority, task.attempt == 1


def _size(key: tuple[str, int, bool], recent_run_s: Mapping[str, float], most: int) -> int:
    kind, _, is_first_attempt = key
    run_s = recent_run_s.get(kind, WORTH_S)
    if not is_first_attempt or run_s >= WORTH_S:
        return 1
    return max(1, min(most, int(WORTH_S / run_s) if run_s > 0 else most))


def _parts(tasks: Iterator[ReadyTask], size: int) -> Iterator[Bundle]:
    while part := tuple(islice(tasks, size)):
        yield part
