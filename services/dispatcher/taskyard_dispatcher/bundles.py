"""Which tasks share a message: short ones of a kind, where many wait. Pure.

A message costs RabbitMQ, Celery and the record about the same whether it carries one task or fifty. So tasks that take
a millisecond go together, as many as take about `WORTH_S` in all, and one that takes longer goes alone. Where few
wait, free slots shall share them: then no more go together than take about `TRIFLE_S`, which is what a message of its
own would cost. Whatever was tried before goes alone: if it was that which killed its worker, it shall not take others
with it again.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from typing import Final

from taskyard.statements.dispatching import Bundle, Picked, ReadyTask

WORTH_S: Final = 0.1
"""Seconds of work that a message of several tasks is worth, about."""

TRIFLE_S: Final = 0.005
"""Seconds of work that are not worth being shared by several slots, about."""

_SHORTEST_S: Final = 1e-6
_SPREAD: Final = 16
"""Messages among which the last tasks of a queue are spread at least."""


def bundle(picked: Picked, recent_run_s: Mapping[str, float], most: int) -> list[Bundle]:
    """Put what was picked into messages of up to `most` tasks, in order; `recent_run_s` is by kind, where known."""
    spread = max(1, len(picked.tasks) // _SPREAD) if picked.are_all else most
    return [
        tasks
        for (kind, _, is_first_attempt), run in groupby(picked.tasks, _key)
        for tasks in _parts(run, min(most, _size(recent_run_s.get(kind), spread)) if is_first_attempt else 1)
    ]


def _key(task: ReadyTask) -> tuple[str, int, bool]:
    return task.kind, task.priority, task.attempt == 1


def _size(run_s: float | None, spread: int) -> int:
    """Return how many tasks that take `run_s` go together, where those that wait would give `spread` each."""
    if run_s is None or run_s >= WORTH_S:
        return 1
    run_s = max(run_s, _SHORTEST_S)
    return max(1, int(TRIFLE_S / run_s), min(spread, int(WORTH_S / run_s)))


def _parts(tasks: Iterator[ReadyTask], size: int) -> Iterator[Bundle]:
    while part := tuple(islice(tasks, size)):
        yield part
