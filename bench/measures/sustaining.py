"""Submitting and draining at once, for long: what comes in goes out, and nobody waits longer at the end.

The rival gets a load that waits for its answers, and counts with the lower of what it took and what it did. Taskyard
gets its tasks by a schedule, somewhat more than it has to do, and is not asked whether it keeps up.
"""

from bench import load
from bench.measures.shape import Figure, Measure, Target
from bench.measures.starting import await_worker
from bench.measures.submitting import request
from bench.systems.place import Recorded
from bench.turns import Figures, Turn

_CONNECTIONS = 16
_RIVAL = "handwritten-early"
_TIMES = 5
_MORE = 1.1
_ALONE_PER_S = 200.0  # where the rival was not measured
_AFTER_S = 20.0
_WAITS = """
    SELECT 1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY wait_s),
           1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY wait_s)
    FROM (SELECT ntile(3) OVER (ORDER BY id) AS third,
                 extract(epoch FROM coalesce(started_at, now()) - created_at)::float8 AS wait_s
          FROM tasks WHERE id > %s) AS waited
    GROUP BY third ORDER BY third"""


def run(turn: Turn) -> Figures:
    """Load it, and look at the record of what was done."""
    turn.start_worker()
    await_worker(turn)
    return _rival(turn) if turn.is_rival else _taskyard(turn)


def _rival(turn: Turn) -> Figures:
    assert isinstance(turn.system, Recorded)
    highest = turn.place.value("SELECT max(id) FROM tasks")
    taken = load.closed(request(turn), _CONNECTIONS, turn.sizes.rival_sustained_s)
    done = turn.system.finished(turn.place, highest)
    return {"per_s": min(taken.per_s, done / turn.sizes.rival_sustained_s)}


def _taskyard(turn: Turn) -> Figures:
    assert isinstance(turn.system, Recorded)
    rival_per_s = turn.earlier[_RIVAL].get("sustain per_s")
    offered_per_s = rival_per_s * _TIMES * _MORE if rival_per_s else _ALONE_PER_S
    highest = turn.place.value("SELECT max(id) FROM tasks")
    seconds = turn.sizes.sustained_s
    load.paced(request(turn), _CONNECTIONS, offered_per_s, seconds, limit_s=seconds + _AFTER_S)
    turn.system.await_finished(turn.place, int(offered_per_s * seconds), _AFTER_S, highest)
    done, took_s = turn.place.row(
        "SELECT count(finished_at), extract(epoch FROM max(finished_at) - min(created_at))::float8 "
        "FROM tasks WHERE id > %s",
        highest,
    )
    waits = turn.place.rows(_WAITS, highest)
    (first_p50, _), (last_p50, last_p99) = waits[0], waits[-1]
    return {
        "per_s": done / took_s,
        "offered": offered_per_s,
        "first p50": first_p50,
        "last p50": last_p50,
        "last p99": last_p99,
        "growth": last_p50 / first_p50,
    }


SUSTAINING = Measure(
    "sustain",
    "back",
    (_RIVAL, "taskyard"),
    run,
    (
        Figure("per_s", "sustained, submit and drain at once", "/s", (Target(_TIMES, _RIVAL),)),
        Figure("offered", "the same, offered by schedule", "/s"),
        Figure("first p50", "the same, wait in the first third, p50", "ms"),
        Figure("last p50", "the same, wait in the last third, p50", "ms"),
        Figure("last p99", "the same, wait in the last third, p99", "ms"),
        Figure("growth", "the same, wait in the last third by the first", "×", (Target(1.5, at_most=True),)),
    ),
    once=True,
)
