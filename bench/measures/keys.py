"""What keys and the audit cost: the same submissions to an API that asks for a key, and to one that does not."""

from bench import load
from bench.measures.shape import Figure, Measure
from bench.measures.submitting import request, warm
from bench.processors import used_s
from bench.turns import Figures, Turn

_CONNECTIONS = 16
_PARTS = ("api", "postgresql")


def run(turn: Turn) -> Figures:
    """Submit, and see what the API and PostgreSQL used."""
    warm(turn)
    before = used_s(turn)
    measured = load.closed(request(turn), _CONNECTIONS, turn.sizes.load_s)
    after = used_s(turn)
    cpu_s = sum(after[part] - before[part] for part in _PARTS)
    return {"per_s": measured.per_s, "cpu": 1e6 * cpu_s / len(measured.latencies_s)}


KEYS = Measure(
    "keys",
    "front",
    ("taskyard", "keyed"),
    run,
    (
        Figure("per_s", f"POST /tasks, keys and audit, {_CONNECTIONS} connections", "/s"),
        Figure("cpu", "the same, CPU time of API and PostgreSQL", "µs"),
    ),
)
