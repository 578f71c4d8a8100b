"""What a handler returned, as the record keeps it."""

from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from taskyard.documents import MAX_RESULT_BYTES, dump
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

    Raises:
        InvalidError: it is no JSON, cannot be stored, or is larger than `MAX_RESULT_BYTES`.
    """
    text = dump(to_json(returned), "result")
    if (size := len(text.encode())) > MAX_RESULT_BYTES:
        raise InvalidError(
            Fault("result", f"has {size} bytes; the limit is {MAX_RESULT_BYTES}. Store it and return a link")
        )
    return text
