"""Submitting and draining at once, for long: what comes in goes out, nobody waits longer at the end, nothing grows.

The rival gets a load that waits for its answers, and counts with the lower of what it took and what it did. Taskyard
gets its tasks by a schedule, somewhat more than it has to do, and is not asked whether it keeps up. Memory is looked at
when a tenth of the load is over, and at its end.
"""

from bench import load
from bench.measures.shape import Figure, Measure, Target
from bench.measures.starting import await_worker
from bench.measures.submitting import request
from bench.memory import after, anonymous_bytes, slot_bytes
from bench.systems.place import Recorded
from bench.turns import Figures, Turn

_CONNECTIONS = 16
_RIVAL = "handwritten-early"
_TIMES = 5
_MORE = 1.1
_ALONE_PER_S = 200.0  # where the rival was not measured
_AFTER_S = 20.0
_EARLY = 0.1
_MB = 1_000_000
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
    with after(_EARLY * seconds, lambda: _memory(turn)) as early:
        measured = load.paced(request(turn), _CONNECTIONS, offered_per_s, seconds, limit_s=seconds + _AFTER_S)
    turn.system.await_finished(turn.place, int(offered_per_s * seconds), _AFTER_S, highest)
    done, took_s = turn.place.row(
        "SELECT count(finished_at), extract(epoch FROM max(finished_at) - min(created_at))::float8 "
        "FROM tasks WHERE id > %s",
        highest,
    )
    return {
        "per_s": done / took_s,
        "offered": offered_per_s,
        "done": done,
        "post p99": measured.quantile_ms(0.99),
        **_waits(turn, highest),
        **_growth(early.result(), _memory(turn)),
    }


def _waits(turn: Turn, highest: int) -> Figures:
    waits = turn.place.rows(_WAITS, highest)
    (first_p50, _), (last_p50, last_p99) = waits[0], waits[-1]
    return {"first p50": first_p50, "last p50": last_p50, "last p99": last_p99, "growth": last_p50 / first_p50}


def _memory(turn: Turn) -> Figures:
    """Return the MB that a slot adds to the worker, and that its parent, the API and the dispatcher have."""
    pids = {name: command.pid for name, command in turn.parts.items() if command.pid is not None}
    had = {name: anonymous_bytes(pid) / _MB for name, pid in pids.items()}
    return {"slot": slot_bytes(pids["worker"]) / _MB, **had}


def _growth(early: Figures, late: Figures) -> Figures:
    """Return what each part has at the end, and how many times that is what it had early."""
    figures: Figures = {}
    for part, early_mb in early.items():
        figures |= {f"{part} memory": late[part], f"{part} memory growth": late[part] / early_mb}
    return figures


_NO_GROWTH = Target(1.05, at_most=True)

SUSTAINING = Measure(
    "sustain",
    "back",
    (_RIVAL, "taskyard"),
    run,
    (
        Figure("per_s", "sustained, submit and drain at once", "/s", (Target(_TIMES, _RIVAL),)),
        Figure("offered", "the same, offered by schedule", "/s"),
        Figure("done", "the same, requests and tasks in all", ""),
        Figure("post p99", "the same, POST /tasks from when it is due, p99", "ms"),
        Figure("first p50", "the same, wait in the first third, p50", "ms"),
        # Every 20 ms the dispatcher looks, and a message of short tasks is worth 100 ms: below what it can do, a task
        # waits for one of each at most.
        Figure("last p50", "the same, wait in the last third, p50", "ms", (Target(100, at_most=True),)),
        Figure("last p99", "the same, wait in the last third, p99", "ms"),
        Figure("growth", "the same, wait in the last third by the first", "×", (Target(1.5, at_most=True),)),
        Figure("slot memory", "the same, memory of a slot above its parent, end", "MB", (Target(60, at_most=True),)),
        Figure("slot memory growth", "the same, end by when a tenth was done", "×", (_NO_GROWTH,)),
        Figure("worker memory", "the same, memory of the worker's parent, end", "MB"),
        Figure("worker memory growth", "the same, end by when a tenth was done", "×", (_NO_GROWTH,)),
        Figure("api memory", "the same, memory of the API, end", "MB"),
        Figure("api memory growth", "the same, end by when a tenth was done", "×", (_NO_GROWTH,)),
        Figure("dispatcher memory", "the same, memory of the dispatcher, end", "MB"),
        Figure("dispatcher memory growth", "the same, end by when a tenth was done", "×", (_NO_GROWTH,)),
    ),
    once=True,
)
