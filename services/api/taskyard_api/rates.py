"""How many requests a key may send: a token bucket for each, in this process.

A bucket is one number: the time at which it will be full again. A request moves it on by what one token takes to come
back; one that would move it further ahead than a full bucket lasts is refused, and told when it would not be.
"""

import math
import time
from collections.abc import Callable
from typing import Final

from taskyard.errors import RateExceededError

_BURST: Final = 2.0
"""How many seconds' worth of requests may come at once."""

_KEPT: Final = 10_000


class Rates:
    """The buckets of all keys that sent something lately. `default_per_s` is for keys without a rate; 0: no limit."""

    def __init__(self, default_per_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._default_per_s = default_per_s
        self._now = now
        self._full_at: dict[str, float] = {}

    def take(self, key_id: str, rate_per_s: float | None) -> None:
        """Count one request of a key.

        Raises:
            RateExceededError: the key sends more than `rate_per_s` a second, and more than two seconds' worth at once.
        """
        rate = self._default_per_s if rate_per_s is None else rate_per_s
        if not rate:
            return
        now = self._now()
        full_at = max(self._full_at.get(key_id, now), now) + 1 / rate
        lasts_s = max(_BURST, 1 / rate)  # one token at least, however slow
        if full_at - now > lasts_s + 1e-9:
            raise RateExceededError(
                f"the key {key_id} may send {rate:g} requests a second", math.ceil(full_at - now - lasts_s)
            )
        self._full_at[key_id] = full_at
        if len(self._full_at) > _KEPT:
            self._full_at = {held: at for held, at in self._full_at.items() if at > now}
