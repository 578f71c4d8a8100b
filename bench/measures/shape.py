"""What a measure is, as data: who takes part, what is shown, and what is to be reached."""

from dataclasses import dataclass

from bench.turns import Run


@dataclass(frozen=True, slots=True)
class Target:
    """What the figure of `system` is to be: at least `bound`, or with `at_most` no more.

    With `than`, `bound` is a multiple of that system's figure: the median of the rounds' ratios is judged.
    """

    bound: float
    than: str | None = None
    at_most: bool = False
    system: str = "taskyard"

    @property
    def words(self) -> str:
        """Say it."""
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.bound:,g}" + (f" × {self.than}" if self.than else "")


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table: a number of the measure, by its name in what `run` returns, and its targets."""

    name: str
    title: str
    unit: str
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is done to some systems, in each round, and gives figures of each.

    Measures with the same `group` and a system in common share that system's turn, in the order of `ALL`. `run` may
    leave out figures that a system does not have. What `is_long` has fewer rounds where time is short, and `once`
    means in the first round only.
    """

    name: str
    group: str
    systems: tuple[str, ...]
    run: Run
    figures: tuple[Figure, ...]
    is_long: bool = False
    once: bool = False
