"""What one task costs, from its POST to its end: of PostgreSQL, of RabbitMQ, and of the processors, by part.

Tasks come over 16 connections as fast as they are taken, with a worker of two slots, and all are waited for.
"""

import time
from collections.abc import Mapping

import psutil

from bench import load
from bench.measures.shape import Figure, Measure
from bench.measures.starting import await_worker
from bench.measures.submitting import request, warm
from bench.processors import used_s
from bench.systems.place import Recorded
from bench.turns import Figures, Turn

_CONNECTIONS = 16
_DONE_S = 120.0
_SETTLE_S = 2.0
"""After which all processes of PostgreSQL have told of what they did."""

_PARTS = ("api", "dispatcher", "worker", "postgresql", "rabbitmq", "load")
_MESSAGES = ("received", "confirmed", "delivered", "acknowledged")


def run(turn: Turn) -> Figures:
    """Count before and after."""
    assert isinstance(turn.system, Recorded)
    turn.start_worker()
    await_worker(turn)
    warm(turn)
    highest, there = turn.place.row("SELECT max(id), count(*) FROM tasks")
    turn.system.await_finished(turn.place, there, _DONE_S)
    turn.place.servers.count_statements(turn.place.database_url, counting=True)
    time.sleep(_SETTLE_S)
    before = _counts(turn)
    tasks = len(load.closed(request(turn), _CONNECTIONS, turn.sizes.load_s).latencies_s)
    if turn.system.await_finished(turn.place, tasks, _DONE_S, highest) < tasks:
        raise RuntimeError(f"{turn.system.name} did not do {tasks} tasks within {_DONE_S:.0f} s")
    time.sleep(_SETTLE_S)
    after = _counts(turn)
    turn.place.servers.count_statements(turn.place.database_url, counting=False)
    return per_task(before, after, tasks)


def per_task(before: Mapping[str, float], after: Mapping[str, float], tasks: int) -> Figures:
    """Return what each of `tasks` took of everything counted at both times; what processors did, also in all."""
    figures = {name: (after[name] - before[name]) / tasks for name in after if name in before}
    cpu = [value for name, value in figures.items() if name.startswith("cpu ") and name != "cpu load"]
    return figures | {"cpu all": sum(cpu)}


def _counts(turn: Turn) -> Figures:
    place = turn.place
    counts = {f"cpu {part}": 1e6 * seconds for part, seconds in used_s(turn).items()}
    own = psutil.Process().cpu_times()
    counts["cpu load"] = 1e6 * (own.user + own.system)
    counts["wal"] = float(place.value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"))
    counts["transactions"] = place.value("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
    if (statements := place.statements()) is not None:
        counts["statements"] = float(statements)
    messages = place.servers.messages()
    return counts | {name: messages.get(name, 0) for name in _MESSAGES}


COST = Measure(
    "cost",
    "back",
    ("handwritten-early", "handwritten-late", "taskyard"),
    run,
    (
        Figure("statements", "each task: statements of clients", ""),
        Figure("transactions", "each task: transactions, reading ones too", ""),
        Figure("wal", "each task: WAL", "bytes"),
        *(Figure(name, f"each task: messages that RabbitMQ {name}", "") for name in _MESSAGES),
        *(Figure(f"cpu {part}", f"each task: CPU time of {part}", "µs") for part in _PARTS),
        Figure("cpu all", "each task: CPU time of all but the load", "µs"),
    ),
    is_long=True,
)
