"""How tests wait: on a condition, with a deadline, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx

T = TypeVar("T")


def eventually(condition: Callable[[], T], what: str, deadline_s: float = 30.0, every_s: float = 0.05) -> T:
    """Return what `condition` returns as soon as it is true; fail with `what` when it is not in `deadline_s`.

    An AssertionError or a failed connection inside counts as "not yet", and is shown when the deadline passes.
    """
    ends = time.monotonic() + deadline_s
    last: object = None
    while time.monotonic() < ends:
        try:
            if value := condition():
                return value
            last = value
        except (AssertionError, OSError, httpx.TransportError) as error:
            last = error
        time.sleep(every_s)
    raise AssertionError(f"not in {deadline_s:g} s: {what}; last seen: {last!r}")
