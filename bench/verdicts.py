"""From the figures of rounds to medians, ratios and whether targets are met. Nothing here has an effect."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.measures import Figure, Measure, Target


@dataclass(frozen=True, slots=True)
class Seen:
    """One number: what the figure `figure` of `measure` was for `system` in a round."""

    round: int
    system: str
    measure: str
    figure: str
    value: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a target: the value that is judged (a ratio where the target is one), and whether it is met."""

    target: Target
    value: float
    met: bool


def values_of(seen: Iterable[Seen], measure: Measure, figure: Figure, system: str) -> dict[int, float]:
    """Return the figure of a system by round."""
    key = (measure.name, figure.name, system)
    return {one.round: one.value for one in seen if (one.measure, one.figure, one.system) == key}


def median_of(seen: Iterable[Seen], measure: Measure, figure: Figure, system: str) -> float | None:
    """Return the median of its rounds; None where there are none."""
    values = values_of(seen, measure, figure, system)
    return median(values.values()) if values else None


def judge(seen: Sequence[Seen], measure: Measure, figure: Figure, target: Target) -> Verdict | None:
    """Hold a target against what was seen; None where a system that it names was not measured.

    A ratio is taken within each round, where both had the same weather, and then the median of the ratios.
    """
    values = values_of(seen, measure, figure, target.system)
    if target.than is not None:
        others = values_of(seen, measure, figure, target.than)
        values = {number: value / others[number] for number, value in values.items() if others.get(number)}
    if not values:
        return None
    value = median(values.values())
    return Verdict(target, value, value <= target.bound if target.at_most else value >= target.bound)
