"""What queues cost in which nothing happens, and what connections of PostgreSQL the parts hold."""

import time

from bench.measures.shape import Figure, Measure
from bench.measures.starting import await_worker
from bench.measures.submitting import warm
from bench.processors import share_of_core
from bench.systems.place import Recorded
from bench.turns import Figures, Turn
from taskyard.statements import queues

_COUNTS = (1, 100, 1000)
_DONE_S = 60.0
_LED_S = 60.0
_POLL_S = 0.2
_PARTS = {"api": "API", "dispatcher": "dispatcher", "worker": "worker with two slots"}
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'taskyard-' || %s || '%%'"
_LED = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"


def run(turn: Turn) -> Figures:
    """Count connections, then add queues, and see what dispatcher and PostgreSQL use while nothing happens."""
    assert isinstance(turn.system, Recorded)
    turn.start_worker()
    await_worker(turn)
    warm(turn)  # a connection is opened when it is needed first
    turn.system.await_finished(turn.place, turn.place.value("SELECT count(*) FROM tasks"), _DONE_S)
    figures: Figures = {f"{part} connections": turn.place.value(_CONNECTIONS, part) for part in _PARTS}
    for count in (each for each in _COUNTS if each <= turn.sizes.most_queues):
        _have_queues(turn, count)
        used = share_of_core(turn, turn.sizes.idle_s)
        figures |= {f"{count} {part}": used[part] for part in ("dispatcher", "postgresql")}
    return figures


def _have_queues(turn: Turn, count: int) -> None:
    """Add queues until there are so many, and wait until the dispatcher leads them."""
    there = turn.place.value("SELECT count(*) FROM queues")
    with turn.place.session.transaction() as cursor:
        queues.announce(cursor, [f"bench-{number}" for number in range(there, count)])
    deadline = time.monotonic() + _LED_S
    while turn.place.value(_LED) < count and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _rows(count: int) -> tuple[Figure, ...]:
    title = f"idle with {count:,} queue{'s' * (count > 1)}, CPU of"
    return (
        Figure(f"{count} dispatcher", f"{title} the dispatcher, of a core", "%"),
        Figure(f"{count} postgresql", f"{title} PostgreSQL, of a core", "%"),
    )


QUEUES = Measure(
    "queues",
    "held",
    ("taskyard",),
    run,
    (
        *(Figure(f"{part} connections", f"connections of PostgreSQL, {title}", "") for part, title in _PARTS.items()),
        *(row for count in _COUNTS for row in _rows(count)),
    ),
    once=True,
)
