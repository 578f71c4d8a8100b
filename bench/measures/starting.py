"""How soon a task starts: from the answer to its POST to the call of its handler, on an idle system."""

import json

from bench import load
from bench.measures.shape import Figure, Measure, Target
from bench.measures.submitting import BODY
from bench.systems.place import STARTING_S, Recorded
from bench.turns import Figures, Turn

_PAUSE_S = 0.05
_STAMPED = b'{"name": "bench", "kind": "bench.start"}'


def run(turn: Turn) -> Figures:
    """Submit one at a time, each when the one before is long over."""
    assert isinstance(turn.system, Recorded)
    turn.start_worker()
    await_worker(turn)
    body = BODY if turn.is_rival else _STAMPED
    answers = load.one_by_one(load.Request.post(turn.place.port, "/tasks", body), turn.sizes.starts, _PAUSE_S)
    answered = {json.loads(answer)["id"]: at for at, answer in answers}
    turn.system.await_finished(turn.place, len(answered), STARTING_S, min(answered) - 1)
    started = _starts(turn, min(answered))
    waits_ms = sorted(1000 * (started[task_id] - at) for task_id, at in answered.items())
    return {name: waits_ms[int(share * (len(waits_ms) - 1))] for name, share in {"p50": 0.5, "p99": 0.99}.items()}


def await_worker(turn: Turn) -> None:
    """Return when the worker has done a task."""
    assert isinstance(turn.system, Recorded)
    [(_, answer)] = load.one_by_one(load.Request.post(turn.place.port, "/tasks", BODY), 1)
    turn.system.await_finished(turn.place, 1, STARTING_S, json.loads(answer)["id"] - 1)


def _starts(turn: Turn, first: int) -> dict[int, float]:
    """Return when each handler was called: it told so itself, or its row says so."""
    when = "extract(epoch FROM started_at)::float8" if turn.is_rival else "(result ->> 'started_at')::float8"
    return dict(turn.place.rows(f"SELECT id, {when} FROM tasks WHERE id >= %s", first))


STARTING = Measure(
    "start",
    "back",
    ("handwritten-early", "handwritten-late", "taskyard"),
    run,
    (
        Figure("p50", "POST answered → handler starts, idle, p50", "ms", (Target(5, at_most=True),)),
        Figure("p99", "POST answered → handler starts, idle, p99", "ms", (Target(25, at_most=True),)),
    ),
    is_long=True,
)
