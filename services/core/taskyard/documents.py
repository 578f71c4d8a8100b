"""JSON documents that every part of the way can hold: the API, PostgreSQL's jsonb, Python and JavaScript.

jsonb refuses the character U+0000 and lone surrogates; JSON has no NaN; integers past 64 bits lose digits in most
readers. A document that breaks one of these rules is refused at the edge, with the path of the place.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from taskyard.errors import Fault, InvalidError

MAX_DEPTH: Final = 64
MAX_RESULT_BYTES: Final = 1024 * 1024
_DOUBTFUL: Final = re.compile(rb"\\u|NaN|Infinity|[0-9]{19}")
_INT64: Final = range(-(2**63), 2**63)


def check(document: Any, field: str) -> None:
    """Raise `InvalidError` with the first place in `document` that cannot be stored; paths start with `field`."""
    for fault in _faults(document, field, 0):
        raise InvalidError(fault)


def is_plain(text: bytes) -> bool:
    """Whether a document can be stored, as far as a glance at its JSON `text` tells; else let `check` look closely."""
    return _DOUBTFUL.search(text) is None and text.count(b"[") + text.count(b"{") <= MAX_DEPTH


def dump(document: Any, field: str) -> str:
    """Return `document` as compact JSON text.

    Raises:
        InvalidError: it is no JSON, or cannot be stored.
    """
    check(document, field)
    return orjson.dumps(document).decode()


def text_fault(text: str, field: str) -> Fault | None:
    """Return what keeps `text` from being stored, if anything does."""
    if "\x00" in text:
        return Fault(field, "must not contain the character U+0000")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        return Fault(field, "must not contain lone surrogates")
    return None


def storable(text: str) -> str:
    """Return `text` with what PostgreSQL refuses replaced by U+FFFD: for messages, which must be kept."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\x00", "\ufffd")


def _faults(value: Any, path: str, depth: int) -> Iterator[Fault]:
    if depth > MAX_DEPTH:
        yield Fault(path, f"is nested deeper than {MAX_DEPTH} levels")
    elif isinstance(value, dict):
        yield from _member_faults(value, path, depth)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _faults(item, f"{path}[{index}]", depth + 1)
    elif fault := _scalar_fault(value, path):
        yield fault


def _scalar_fault(value: Any, path: str) -> Fault | None:
    match value:
        case None | bool():
            return None
        case str():
            return text_fault(value, path)
        case int():
            return None if value in _INT64 else Fault(path, "must fit into 64 bits; send larger numbers as strings")
        case float():
            return None if math.isfinite(value) else Fault(path, "must be a finite number")
        case _:
            return Fault(path, f"is a {type(value).__name__}, which JSON cannot hold")


def _member_faults(members: dict[Any, Any], path: str, depth: int) -> Iterator[Fault]:
    for name, item in members.items():
        if not isinstance(name, str):
            yield Fault(path, f"has a member named by a {type(name).__name__}; JSON names members by strings")
            continue
        if text_fault(name, path):
            yield Fault(path, "has a member whose name cannot be stored")
            continue
        yield from _faults(item, f"{path}.{name}", depth + 1)
