"""Where a page of a list goes on, as clients see it: a word without a meaning for them."""

import base64
import binascii
import re
from typing import Final

from taskyard.errors import Fault, InvalidError

_CURSOR: Final = re.compile(r"id<(\d{1,18})")


def write(before_id: int | None) -> str | None:
    """Return the cursor of the page that begins below an id; None where there is none."""
    if before_id is None:
        return None
    return base64.urlsafe_b64encode(f"id<{before_id}".encode()).decode().rstrip("=")


def read(cursor: str | None) -> int | None:
    """Return below which id the page of a cursor begins; None where none was sent.

    Raises:
        InvalidError: it is no cursor.
    """
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        text = ""
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise InvalidError(Fault("query.cursor", "is no cursor; use `next_cursor` of the page before, unchanged"))
    return int(found[1])
