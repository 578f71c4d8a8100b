"""What is done to one task or page at a time, and how long each takes when nobody else asks for anything.

Claims and finishes are the worker's statements, on a session like its own; all else goes through the API.
"""

import json
import random
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final, TypeVar

from bench.asking import one_after_another
from bench.load import Request
from bench.measures.submitting import request
from bench.turns import Turn
from taskyard.database import Session
from taskyard.outcomes import Move, Succeeded
from taskyard.prepared import BY_KEY
from taskyard.statements import claims, finishing
from taskyard.statements.claims import Held
from taskyard.statements.finishing import Ending
from taskyard.states import Status

T = TypeVar("T")

TITLES: Final = {
    "submit": "POST /tasks",
    "claim": "claim of one task",
    "finish": "finish of one task",
    "read": "GET /tasks/{id}",
    "list": "GET /tasks?limit=50",
    "failed": "GET /tasks?limit=50&status=failed",
}
"""The operations, by the names that their figures begin with."""

_LEASE_S: Final = 30.0
_DONE: Final = Succeeded('{"slept_s": 0.0}')


class Operations:
    """Does them, and remembers in `latencies_s` how long each took. `close` it afterwards.

    `finished`: tasks with the ids from 1 to this one are there and finished; which of them are read is left to chance.
    """

    def __init__(self, turn: Turn, finished: int) -> None:
        self.latencies_s: dict[str, list[float]] = defaultdict(list)
        self._turn = turn
        self._finished = finished
        self._worker = Session(turn.place.database_url, "bench worker", options=BY_KEY)
        self._dice = random.Random(finished)

    def do(self, times: int) -> None:
        """Do each operation so often, and leave no task that waits.

        Raises:
            RuntimeError: one of them did not do what it should.
        """
        port, key = self._turn.place.port, self._turn.place.key
        submitted = self._ask("submit", [request(self._turn)] * times)
        reads = [f"/tasks/{self._dice.randint(1, self._finished)}" for _ in range(times)]
        self._ask("read", [Request.get(port, path, key) for path in reads])
        self._ask("list", [Request.get(port, "/tasks?limit=50", key)] * times)
        self._ask("failed", [Request.get(port, "/tasks?limit=50&status=failed", key)] * times)
        for answer in submitted:
            self._work(Held(json.loads(answer)["id"], 1))

    def close(self) -> None:
        """Close the worker's session."""
        self._worker.close()

    def _ask(self, operation: str, requests: list[Request]) -> list[bytes]:
        answers = one_after_another(requests)
        self.latencies_s[operation] += [took_s for took_s, _ in answers]
        return [body for _, body in answers]

    def _work(self, held: Held) -> None:
        run = self._worker.run
        claimed = self._timed("claim", lambda: run(claims.claim, [held], "default", "bench", _LEASE_S))
        ending = Ending(held, _DONE, Move(Status.SUCCEEDED), began_ago_s=0.0)
        finished = self._timed("finish", lambda: run(finishing.finish, [ending]))
        if [each.held for each in claimed] != [held] or list(finished) != [held]:
            raise RuntimeError(f"task {held.task_id} was not claimed and finished: {claimed}, {finished}")

    def _timed(self, operation: str, act: Callable[[], T]) -> T:
        began_at = time.perf_counter()
        done = act()
        self.latencies_s[operation].append(time.perf_counter() - began_at)
        return done
