"""Reading: one task, and a page of 50. The empty POST stands beside it as the most that a front door can do."""

import json

from bench import load
from bench.measures.shape import Figure, Measure, Target
from bench.measures.submitting import request, warm
from bench.turns import Figures, Turn

_CONNECTIONS = 16


def run(turn: Turn) -> Figures:
    """Read the newest task again and again, then the newest page."""
    warm(turn)
    if turn.system.name == "empty":
        return {"one": load.closed(request(turn), _CONNECTIONS, turn.sizes.load_s).per_s}
    [(_, answer)] = load.one_by_one(request(turn), 1)
    figures = {}
    for name, path in {"one": f"/tasks/{json.loads(answer)['id']}", "page": "/tasks?limit=50"}.items():
        asked = load.Request.get(turn.place.port, path, turn.place.key)
        figures[name] = load.closed(asked, _CONNECTIONS, turn.sizes.load_s).per_s
    return figures


READING = Measure(
    "read",
    "front",
    ("empty", "handwritten-early", "taskyard"),
    run,
    (
        Figure("one", "GET /tasks/{id}, 16 connections", "/s", (Target(0.5, "empty"),)),
        Figure("page", "GET /tasks?limit=50, 16 connections", "/s", (Target(500),)),
    ),
)
