"""POST /tasks/batch: a thousand tasks a request, all of them durable when it is answered."""

import json

from bench import load
from bench.measures.shape import Figure, Measure, Target
from bench.measures.submitting import warm
from bench.turns import Figures, Turn

_SIZE = 1000
_CONNECTIONS = 2
BODY = json.dumps({"tasks": [{"name": "bench", "kind": "sleep"}] * _SIZE}).encode()


def run(turn: Turn) -> Figures:
    """Submit batches."""
    warm(turn)
    request = load.Request.post(turn.place.port, "/tasks/batch", BODY, turn.place.key)
    load.one_by_one(request, 1)
    return {"per_s": _SIZE * load.closed(request, _CONNECTIONS, turn.sizes.load_s).per_s}


BATCHES = Measure(
    "batch",
    "front",
    ("taskyard",),
    run,
    (Figure("per_s", "POST /tasks/batch of 1,000, tasks", "/s", (Target(20_000),)),),
)
