"""What a handler returned, as the record keeps it."""

import inspect
from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_jsonable_python
from pydantic_core import to_json as to_json_text

from taskyard.documents import MAX_RESULT_BYTES, check, is_plain
from taskyard.errors import Fault, InvalidError


def to_json(returned: Any) -> Any:
    """Return what `returned` (JSON, pydantic models, dataclasses, dates …) is as plain JSON values.

    Raises:
        InvalidError: something in it has no JSON form.
    """
    try:
        return to_jsonable_python(returned, inf_nan_mode="constants", bytes_mode="utf8")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise InvalidError(Fault("result", f"is not JSON: {error}")) from error


def to_text(returned: Any) -> str:
    """Return `returned` as JSON text that the record can hold.

    A generator is read item by item, no further than a result may be long. What is too large is refused before it is
    looked at closely: that takes longer than to write it.

    Raises:
        InvalidError: it is no JSON, cannot be stored, or is larger than `MAX_RESULT_BYTES`.
    """
    try:
        text = _drawn(returned) if inspect.isgenerator(returned) else _written(returned)
        if not is_plain(text):
            check(from_json(text, allow_inf_nan=True), "result")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise InvalidError(Fault("result", f"is not JSON: {error}")) from error
    return text.decode()


def _written(returned: Any) -> bytes:
    text = to_json_text(returned, inf_nan_mode="constants", bytes_mode="utf8")
    if len(text) > MAX_RESULT_BYTES:
        raise _too_large(f"has {len(text)} bytes")
    return text


def _drawn(items: Iterator[Any]) -> bytes:
    texts: list[bytes] = []
    size = 1
    for item in items:
        texts.append(_written(item))
        size += len(texts[-1]) + 1
        if size > MAX_RESULT_BYTES:
            raise _too_large(f"is a generator, and has over {MAX_RESULT_BYTES} bytes after {len(texts)} items")
    return b"[" + b",".join(texts) + b"]"


def _too_large(what: str) -> InvalidError:
    return InvalidError(Fault("result", f"{what}; the limit is {MAX_RESULT_BYTES}. Store it and return a link"))
