"""Reading tables: CSV text or JSON rows in, columns of counted values out."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import Any, Final

import orjson

from taskyard_worker.builtin.columns import Column, Truth, Value, shortened

MAX_COLUMNS: Final = 1000
DELIMITERS: Final = (",", ";", "\t", "|")
_SAMPLE_RECORDS: Final = 20
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INT64: Final = range(-(2**63), 2**63)
_TRUTHS: Final = {"true": Truth.TRUE, "false": Truth.FALSE}


class TableError(Exception):
    """The table cannot be read; the message names the line or row and says why."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table by columns, the first `MAX_COLUMNS` of them; `delimiter` separated the cells, where it was CSV."""

    row_count: int
    column_count: int
    columns: Sequence[Column]
    delimiter: str | None = None


def read_csv(text: str, delimiter: str | None, *, header: bool) -> Table:
    """Return the columns of `text`; without a `delimiter` it is found out.

    Raises:
        TableError: a line has more or fewer cells than the first, or its quotes do not match.
    """
    text = text.removeprefix("\ufeff")
    separator = delimiter or sniff(text)
    records: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    try:
        for record in reader:
            if record:  # an empty line is none
                _check_width(record, records, f"line {line}")
                records.append(record)
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"line {line}: {error}") from error
    names, body = _split(records, header=header)
    return Table(len(body), len(names), _columns(names, body, _counted_cells), separator)


def read_rows(rows: Sequence[dict[str, Any] | list[Any]], *, header: bool) -> Table:
    """Return the columns of JSON `rows`; a member that an object lacks counts as null.

    Raises:
        TableError: objects and lists are mixed, or the lists differ in length.
    """
    objects = [row for row in rows if isinstance(row, dict)]
    lists = [row for row in rows if isinstance(row, list)]
    if objects and lists:
        first = next(number for number, row in enumerate(rows, 1) if type(row) is not type(rows[0]))
        raise TableError(f"row {first} is {_noun(rows[first - 1])}, the first {_noun(rows[0])}: give one or the other")
    if objects:
        return _by_member(objects)
    for number, row in enumerate(lists, 1):
        _check_width(row, lists, f"row {number}")
    names, body = _split(lists, header=header)
    return Table(len(body), len(names), _columns(names, body, _counted_values))


def sniff(text: str) -> str:
    """Return the delimiter by which the first records fall into the most cells, all into equally many."""

    def score(delimiter: str) -> tuple[bool, int]:
        try:
            sample = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), _SAMPLE_RECORDS))
        except csv.Error:
            return False, 0
        widths = {len(record) for record in sample if record}
        return len(widths) == 1 and widths != {1}, max(widths, default=0)

    return max(DELIMITERS, key=score)  # the first of them where they are equal


def unique(names: Iterable[str]) -> list[str]:
    """Return `names`, shortened, where an empty one is named by its position and a repeated one gets a number."""
    taken: set[str] = set()
    following: Counter[str] = Counter()
    made = []
    for position, name in enumerate(names, 1):
        base = fresh = shortened(name) or f"column_{position}"
        while fresh in taken:
            following[base] += 1
            fresh = f"{base} ({following[base] + 1})"
        taken.add(fresh)
        made.append(fresh)
    return made


def cell_value(text: str) -> Value:
    """Return what the text of a CSV cell means: a number or truth as JSON writes it, else the text itself.

    "007" is text, and so is an integer past 64 bits: both are rather identifiers than quantities.
    """
    bare = text.strip()
    if _INTEGER.fullmatch(bare) and (number := int(bare)) in _INT64:
        return number
    if _NUMBER.fullmatch(bare) and not bare.lstrip("-").isdigit() and isfinite(real := float(bare)):
        return real
    return _TRUTHS.get(bare.lower(), text)


def _by_member(objects: Sequence[dict[str, Any]]) -> Table:
    """Gather members row by row: rows times names could be far more than there are members."""
    gathered: dict[str, list[Any]] = {}
    for row in objects:
        for key, item in row.items():
            gathered.setdefault(key, []).append(item)
    columns = []
    for name, items in zip(unique(islice(gathered, MAX_COLUMNS)), gathered.values(), strict=False):
        values, kinds, nulls = _counted_values(items)
        columns.append(Column(name, values, kinds, nulls + len(objects) - len(items)))
    return Table(len(objects), len(gathered), columns)


def _columns(
    names: list[str], body: Sequence[Sequence[Any]], count: Callable[[list[Any]], tuple[Counter[Value], set[str], int]]
) -> list[Column]:
    return [Column(name, *count([record[index] for record in body])) for index, name in enumerate(names[:MAX_COLUMNS])]


def _counted_cells(cells: list[str]) -> tuple[Counter[Value], set[str], int]:
    texts = Counter(cells)
    nulls = texts.pop("", 0)
    values: Counter[Value] = Counter()
    kinds = set()
    for text, count in texts.items():
        value = cell_value(text)
        kinds.add(_kind(value))
        values[value] += count
    return values, kinds, nulls


def _counted_values(items: list[Any]) -> tuple[Counter[Value], set[str], int]:
    present = [_json_value(item) for item in items if item is not None]
    return Counter(present), {_kind(value) for value in present}, len(items) - len(present)


def _json_value(item: Any) -> Value:
    if isinstance(item, bool):
        return Truth.TRUE if item else Truth.FALSE
    if isinstance(item, int | float | str):
        return item
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()


def _kind(value: Value) -> str:
    if isinstance(value, Truth):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "number" if isinstance(value, float) else "string"


def _check_width(record: Sequence[Any], records: Sequence[Sequence[Any]], where: str) -> None:
    if records and len(record) != len(records[0]):
        raise TableError(f"{where} has {len(record)} cells, the first has {len(records[0])}")


def _split(records: Sequence[Sequence[Any]], *, header: bool) -> tuple[list[str], Sequence[Sequence[Any]]]:
    if not records:
        return [], []
    if not header:
        return unique("" for _ in records[0]), records
    return unique(_name(cell) for cell in records[0]), records[1:]


def _name(cell: Any) -> str:
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else orjson.dumps(cell).decode()


def _noun(row: object) -> str:
    return "an object" if isinstance(row, dict) else "a list"
