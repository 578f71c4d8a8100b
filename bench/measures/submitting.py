"""POST /tasks, one task a request: as fast as it goes, and at half of that."""

from bench import load
from bench.measures.shape import Figure, Measure, Target
from bench.turns import Figures, Turn

BODY = b'{"name": "bench", "kind": "sleep"}'
_SYSTEMS = ("empty", "handwritten-early", "handwritten-late", "taskyard")
_CONNECTIONS = 64
_WARM_S = 0.5


def request(turn: Turn) -> load.Request:
    """Return the request that submits one task that does nothing."""
    return load.Request.post(turn.place.port, "/tasks", BODY, turn.place.key)


def warm(turn: Turn) -> None:
    """Have the system load and open what it opens at first use."""
    load.closed(request(turn), 16, _WARM_S)


def run(turn: Turn) -> Figures:
    """Submit over 1, 16 and 64 connections, then by a schedule at half of what 64 got."""
    figures: Figures = {}
    warm(turn)
    for connections in (1, 16, _CONNECTIONS):
        measured = load.closed(request(turn), connections, turn.sizes.load_s)
        figures[f"{connections} per_s"] = measured.per_s
        figures[f"{connections} p50"] = measured.quantile_ms(0.5)
        figures[f"{connections} p99"] = measured.quantile_ms(0.99)
    half = load.paced(request(turn), _CONNECTIONS, figures[f"{_CONNECTIONS} per_s"] / 2, turn.sizes.load_s)
    return figures | {"half p50": half.quantile_ms(0.5), "half p99": half.quantile_ms(0.99)}


def _rows(connections: int, *targets: Target) -> tuple[Figure, ...]:
    title = f"POST /tasks, {connections} connection{'s' * (connections > 1)}"
    return (
        Figure(f"{connections} per_s", title, "/s", targets),
        Figure(f"{connections} p50", f"{title}, p50", "ms"),
        Figure(f"{connections} p99", f"{title}, p99", "ms"),
    )


SUBMITTING = Measure(
    "post",
    "front",
    _SYSTEMS,
    run,
    (
        *_rows(1),
        *_rows(16, Target(15, "handwritten-early"), Target(0.6, "empty")),
        *_rows(_CONNECTIONS, Target(0.6, "empty")),
        Figure("half p50", "POST /tasks at half of the peak rate, p50", "ms"),
        Figure("half p99", "POST /tasks at half of the peak rate, p99", "ms", (Target(50, at_most=True),)),
    ),
)
