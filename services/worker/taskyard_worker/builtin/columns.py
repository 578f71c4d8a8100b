"""One column of a table: the values in it, how often each occurs, and the summary that follows."""

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from math import fsum
from statistics import mean
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

MAX_TEXT: Final = 100
"""Characters of a name or value that a summary shows."""


class Truth(Enum):
    """true and false, apart from the numbers 1 and 0, which Python holds equal to them."""

    FALSE = False
    TRUE = True


Value = int | float | str | Truth
Shown = bool | int | float | str
ColumnType = Literal["integer", "number", "boolean", "string", "mixed", "empty"]


@dataclass(frozen=True, slots=True)
class Column:
    """How often each value occurs; `kinds` are the sorts of value seen, `nulls` the places without one."""

    name: str
    values: Counter[Value]
    kinds: set[str]
    nulls: int


class Frequency(BaseModel):
    """A value, shortened where it is long, and how often it occurs."""

    value: Shown
    count: int


class ColumnSummary(BaseModel):
    """What is in a column: `min`, `max` and `mean` are of its numbers; of text, `min` and `max` by code point."""

    name: str
    type: ColumnType
    count: Annotated[int, Field(description="values that are not null")]
    nulls: int
    distinct: int
    min: int | float | str | None
    max: int | float | str | None
    mean: int | float | None
    top: list[Frequency]


def summarise(column: Column, top: int) -> ColumnSummary:
    """Return the summary of `column` with its `top` most frequent values, of equals the one seen first."""
    numbers = {value: count for value, count in column.values.items() if isinstance(value, int | float)}
    least, most = _range(column, numbers)
    return ColumnSummary(
        name=column.name,
        type=_type(column.kinds),
        count=column.values.total(),
        nulls=column.nulls,
        distinct=len(column.values),
        min=least,
        max=most,
        mean=average(numbers) if numbers else None,
        top=[Frequency(value=_shown(value), count=count) for value, count in column.values.most_common(top)],
    )


def average(numbers: dict[int | float, int]) -> int | float:
    """Return the mean of `numbers`, each counted as often as it says; never outside their range."""
    count = sum(numbers.values())
    try:
        middle = fsum(number * times for number, times in numbers.items()) / count
    except OverflowError:  # the sum is past the largest float, the mean is not
        middle = float(mean([number for number, times in numbers.items() for _ in range(times)]))
    return min(max(middle, min(numbers)), max(numbers))  # rounding may have gone past an end


def shortened(text: str) -> str:
    """Return `text`, cut to `MAX_TEXT` characters, the last of which then is an ellipsis."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _type(kinds: set[str]) -> ColumnType:
    match sorted(kinds):
        case []:
            return "empty"
        case ["integer"]:
            return "integer"
        case ["number"] | ["integer", "number"]:
            return "number"
        case ["boolean"]:
            return "boolean"
        case ["string"]:
            return "string"
        case _:
            return "mixed"


def _range(
    column: Column, numbers: dict[int | float, int]
) -> tuple[int | float | str | None, int | float | str | None]:
    if numbers:
        return min(numbers), max(numbers)
    texts = [value for value in column.values if isinstance(value, str)]
    return (shortened(min(texts)), shortened(max(texts))) if texts else (None, None)


def _shown(value: Value) -> Shown:
    if isinstance(value, Truth):
        return value is Truth.TRUE
    return shortened(value) if isinstance(value, str) else value
