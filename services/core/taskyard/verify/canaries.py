"""What is submitted to prove something: canaries, the same ones for the same seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

TAG: Final = "verify"
"""The tag of every canary."""

WRITING: Final = "verify.write"
"""The kind whose runs leave a row each, so that what really happened can be held against the record."""

_SLEEPING: Final = "sleep"
_OF_TEN_WRITE: Final = 1  # each opens a connection, which costs more than all else of a task
_OF_HUNDRED_ARE_LONG: Final = 2
_MANY_ATTEMPTS: Final = 50  # a canary shall outlive a database that is away again and again


@dataclass(frozen=True, slots=True)
class Canary:
    """One task to submit: its idempotency key, and the body of the request."""

    key: str
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """The kind of the task."""
        return str(self.body["kind"])


def canaries(run: str, seed: int, count: int, longest_s: float) -> Iterator[Canary]:
    """Give `count` canaries of the run named `run`; most do nothing but pass, a few take up to `longest_s` seconds."""
    dice = random.Random(seed)  # noqa: S311 - to be repeatable is the point
    for number in range(count):
        writes = dice.random() * 10 < _OF_TEN_WRITE
        long = dice.random() * 100 < _OF_HUNDRED_ARE_LONG
        seconds = round(dice.uniform(0.0, longest_s), 3) if long else 0.0
        body = {
            "name": f"{run} {number}",
            "kind": WRITING if writes else _SLEEPING,
            "payload": {"seconds": seconds},
            "tags": [TAG, run],
            "max_attempts": _MANY_ATTEMPTS,
        }
        yield Canary(f"{run}-{number}", body)
