"""Holding what was promised against what is there: pure functions over plain facts."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from taskyard.states import Status
from taskyard.verify.facts import AttemptSeen, Kill, Promise, Recovery, TaskSeen

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that was not kept: what is wrong, with how many tasks, and some of them."""

    what: str
    count: int
    examples: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run proved. `recoveries_s` are the seconds from each loss to the next attempt, ascending."""

    promised: int
    ended: Mapping[Status, int]
    runs: Mapping[int, int]
    recoveries_s: Sequence[float]
    findings: Sequence[Finding] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept."""
        return not self.findings


def judge(promises: Iterable[Promise], seen: Iterable[TaskSeen], contradictions: Sequence[str] = ()) -> Verdict:
    """Judge a run by its promises and by the tasks that are there at its end."""
    by_id = {task.task_id: task for task in seen}
    promised = sorted({promise.task_id for promise in promises})
    there = [by_id[task_id] for task_id in promised if task_id in by_id]
    broken = {
        "lost: answered with 201, and not there": [task_id for task_id in promised if task_id not in by_id],
        "lost: answered with 201, and not ended": _ids(task for task in there if not task.is_final),
        "completed twice": _ids(task for task in there if _successes(task) > 1),
        "succeeded without an attempt that did": _ids(
            task for task in there if task.status == Status.SUCCEEDED and _successes(task) == 0
        ),
        "attempt rows missing or doubled": _ids(task for task in there if not _is_numbered(task)),
        "wrote less often than it succeeded": _ids(
            task for task in there if task.runs is not None and task.runs < _successes(task)
        ),
    }
    findings = [Finding(what, len(ids), _some(ids)) for what, ids in broken.items() if ids]
    if contradictions:
        findings.append(Finding("answers that contradict one another", len(contradictions), _some(contradictions)))
    return Verdict(
        promised=len(promised),
        ended=Counter(task.status for task in there),
        runs=Counter(task.attempt for task in there),
        recoveries_s=sorted(recovery_s for task in there for recovery_s in _after_losses_s(task)),
        findings=findings,
    )


def recoveries(seen: Iterable[TaskSeen], kills: Sequence[Kill]) -> list[Recovery]:
    """Return what followed each kill by which an attempt was lost.

    It counts from the last kill that can have been the cause.
    """
    found = []
    for task in seen:
        for lost, following in _losses(task):
            ends_s = lost.ended_s or math.inf
            moments = [
                kill.at_s for kill in kills if kill.worker == lost.worker and lost.started_s <= kill.at_s < ends_s
            ]
            if moments:
                found.append(Recovery(max(moments), following.started_s if following else ends_s))
    return found


def percentile(ascending: Sequence[float], share: float) -> float:
    """Return the value that `share` of all are not above; 0 where there are none."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)] if ascending else 0.0


def _successes(task: TaskSeen) -> int:
    return sum(attempt.outcome == "succeeded" for attempt in task.attempts)


def _is_numbered(task: TaskSeen) -> bool:
    """Whether each attempt of an ended task has one row."""
    numbers = sorted(attempt.number for attempt in task.attempts)
    return not task.is_final or numbers == list(range(1, task.attempt + 1))


def _losses(task: TaskSeen) -> Iterable[tuple[AttemptSeen, AttemptSeen | None]]:
    """Give each attempt that was lost with the one after it."""
    by_number = {attempt.number: attempt for attempt in task.attempts}
    for attempt in task.attempts:
        if attempt.outcome == "lost":
            yield attempt, by_number.get(attempt.number + 1)


def _after_losses_s(task: TaskSeen) -> Iterable[float]:
    """Give the seconds from the start of each lost attempt to that of the next: at least what the recovery took."""
    return [following.started_s - lost.started_s for lost, following in _losses(task) if following]


def _ids(tasks: Iterable[TaskSeen]) -> list[int]:
    return [task.task_id for task in tasks]


def _some(things: Sequence[object]) -> str:
    return ", ".join(map(str, things[:_SHOWN])) + (" …" if len(things) > _SHOWN else "")
