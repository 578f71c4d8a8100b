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
_LOOK_S = 1.5
"""In which PostgreSQL and RabbitMQ, on an idle machine, have counted what was done."""

_LOOKS = 6

_PARTS = ("api", "dispatcher", "worker", "postgresql", "rabbitmq", "load")
_MESSAGES = {"publish": "messages published", "deliver": "messages delivered", "ack": "messages acknowledged"}


def run(turn: Turn) -> Figures:
    """Count before and after."""
    assert isinstance(turn.system, Recorded)
    turn.start_worker()
    await_worker(turn)
    warm(turn)
    highest = turn.place.value("SELECT max(id) FROM tasks")
    turn.system.await_finished(turn.place, highest, _DONE_S)
    turn.place.servers.count_statements(turn.place.database_url, counting=True)
    before = _settled(turn)
    tasks = len(load.closed(request(turn), _CONNECTIONS, turn.sizes.load_s).latencies_s)
    if turn.system.await_finished(turn.place, tasks, _DONE_S, highest) < tasks:
        raise RuntimeError(f"{turn.system.name} did not do {tasks} tasks within {_DONE_S:.0f} s")
    after = _settled(turn)
    turn.place.servers.count_statements(turn.place.database_url, counting=False)
    return per_task(before, after, tasks)


def per_task(before: Mapping[str, float], after: Mapping[str, float], tasks: int) -> Figures:
    """Return what each of `tasks` took of everything counted at both times; what processors did, also in all."""
    figures = {name: (after[name] - before[name]) / tasks for name in after if name in before}
    cpu = [value for name, value in figures.items() if name.startswith("cpu ") and name != "cpu load"]
    return figures | {"cpu all": sum(cpu)}


def _settled(turn: Turn) -> Figures:
    """Return what is counted, once nothing more is: on a busy machine RabbitMQ is late with its sums."""
    counts = _counts(turn)
    for _ in range(_LOOKS):
        time.sleep(_LOOK_S)
        before, counts = counts, _counts(turn)
        if counts["ack"] == before["ack"]:  # not "publish": Celery's workers tell each other that they live
            break
    return counts


def _counts(turn: Turn) -> Figures:
    place = turn.place
    counts = {f"cpu {part}": 1e6 * seconds for part, seconds in used_s(turn).items()}
    own = psutil.Process().cpu_times()
    counts["cpu load"] = 1e6 * (own.user + own.system)
    counts["wal"] = float(place.value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"))
    counts["transactions"] = place.value("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
    if place.value("SELECT to_regclass('pg_stat_statements')"):
        own_database = "dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        counts["statements"] = float(place.value(f"SELECT sum(calls) FROM pg_stat_statements WHERE {own_database}"))
    messages = place.servers.broker("overview").get("message_stats", {})
    return counts | {name: messages.get(name, 0) for name in _MESSAGES}


COST = Measure(
    "cost",
    "back",
    ("handwritten-early", "handwritten-late", "taskyard"),
    run,
    (
        Figure("statements", "for each task: statements of clients", ""),
        Figure("transactions", "for each task: transactions, reading ones too", ""),
        Figure("wal", "for each task: WAL", "bytes"),
        *(Figure(name, f"for each task: {words}", "") for name, words in _MESSAGES.items()),
        *(Figure(f"cpu {part}", f"for each task: processor time of {part}", "µs") for part in _PARTS),
        Figure("cpu all", "for each task: processor time of all but the load", "µs"),
    ),
    is_long=True,
)
