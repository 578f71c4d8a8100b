"""Which worker pod costs how much to remove: pure decisions over what runs and what the pods are annotated with.

    nothing runs ─▶ 0      something runs ─▶ 10, and more the longer the oldest of it has run

When a Deployment shrinks, Kubernetes removes ready pods of a low cost before those of a high one. Each change is a
write to the API server and news for all who watch pods, so costs move in few steps, and fall only after a while: a
worker of short tasks is not seen idle and busy in turn.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"
"""Absent means 0; Kubernetes refuses everything but 32-bit integers written plainly."""

FALL_AFTER_S: Final = 10.0
"""Seconds that a cost must have been too high before it is lowered."""

IDLE: Final = 0
BUSY: Final = 10
AGES_S: Final = (60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0)
"""Ages of the oldest attempt at each of which the cost rises by one."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A worker's pod, and its cost; None where something is annotated that is none."""

    name: str
    cost: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """The cost that a pod is to have."""

    pod: str
    cost: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What to change now, the costliest first; and since when costs have been too high that do not fall yet."""

    changes: tuple[Change, ...]
    too_high_since: Mapping[str, float]


def cost(oldest_s: float | None) -> int:
    """Return the cost of a worker whose oldest attempt began `oldest_s` ago; None where it runs nothing."""
    return IDLE if oldest_s is None else BUSY + bisect_right(AGES_S, oldest_s)


def annotated(annotations: Mapping[str, str]) -> int | None:
    """Read the cost from a pod's annotations."""
    text = annotations.get(ANNOTATION, "0")
    return int(text) if re.fullmatch(r"0|-?[1-9][0-9]*", text) else None


def decide(
    pods: Iterable[Pod], oldest_s: Mapping[str, float], too_high_since: Mapping[str, float], now_s: float
) -> Decision:
    """Name the changes that make the costs of `pods` true.

    `oldest_s` has the age of the oldest attempt of each busy worker, by the name that it shares with its pod;
    `too_high_since` is what the decision before said; `now_s` is on the clock of that.
    """
    changes: list[Change] = []
    waiting: dict[str, float] = {}
    for pod in pods:
        wanted = cost(oldest_s.get(pod.name))
        if pod.cost == wanted:
            continue
        if pod.cost is not None and wanted < pod.cost:
            since = too_high_since.get(pod.name, now_s)
            if now_s - since < FALL_AFTER_S:
                waiting[pod.name] = since
                continue
        changes.append(Change(pod.name, wanted))
    return Decision(tuple(sorted(changes, key=lambda change: -change.cost)), waiting)
