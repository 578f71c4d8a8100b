"""What clients cost that do nothing: connections that are idle, and long polls that wait for tasks to end.

Idle connections have had an answer, and their client keeps them. The tasks that are polled for stand in a queue that is
paused; when it goes on, the worker does them, and each poll is to be answered soon after its own task has ended.
"""

import socket
import time
from collections.abc import Sequence

from bench import holding, load
from bench.measures.shape import Figure, Measure, Target
from bench.measures.starting import await_worker
from bench.measures.submitting import warm
from bench.memory import anonymous_bytes
from bench.processors import share_of_core
from bench.systems.place import Recorded
from bench.turns import Figures, Turn

_KB = 1000
_WAIT_S = 60
"""The longest that the API lets a client wait."""

_SETTLE_S = 2.0
_DONE_S = 60.0
_SPARE = 50


def run(turn: Turn) -> Figures:
    """Hold idle connections, then polls besides; look at memory and processors; end all polls by their tasks."""
    idle, polls = turn.sizes.held_idle, turn.sizes.held_polls
    with holding.files_for(idle + polls + _SPARE):
        turn.restart("api", TASKYARD_API_MAX_CONNECTIONS=str(idle + polls + _SPARE))
        turn.start_worker()
        await_worker(turn)
        warm(turn)
        requests = _polls_of_waiting_tasks(turn, polls)
        before = _api_bytes(turn)
        with holding.idle(load.Request.get(turn.place.port, "/livez"), idle) as resting:
            with_idle = _api_bytes(turn)
            with holding.waiting(list(requests.values())) as connections:
                with_polls = _api_bytes(turn)
                used = share_of_core(turn, turn.sizes.held_s)
                _check(resting, connections)
                late_ms = _end(turn, requests, connections)
    return {
        "idle": (with_idle - before) / idle / _KB,
        "poll": (with_polls - with_idle) / polls / _KB,
        "cpu": used["api"] + used["postgresql"],
        "late p50": late_ms[len(late_ms) // 2],
        "late last": late_ms[-1],
    }


def _polls_of_waiting_tasks(turn: Turn, count: int) -> dict[int, load.Request]:
    """Have so many tasks wait in a paused queue; return the request that waits for each, by its id."""
    assert isinstance(turn.system, Recorded)
    highest, there = turn.place.row("SELECT max(id), count(*) FROM tasks")
    turn.system.await_finished(turn.place, there, _DONE_S)
    _pause(turn, paused=True)
    turn.system.fill(turn.place, count)
    task_ids = [task_id for (task_id,) in turn.place.rows("SELECT id FROM tasks WHERE id > %s", highest)]
    path = f"/tasks/{{}}?wait_s={_WAIT_S}"
    return {task_id: load.Request.get(turn.place.port, path.format(task_id)) for task_id in task_ids}


def _pause(turn: Turn, *, paused: bool) -> None:
    """Have the dispatcher send nothing more, or go on."""
    turn.place.value("UPDATE queues SET paused = %s RETURNING paused", paused)


def _api_bytes(turn: Turn) -> int:
    time.sleep(_SETTLE_S)
    pid = turn.parts["api"].pid
    assert pid is not None
    return anonymous_bytes(pid)


def _check(resting: Sequence[socket.socket], polls: Sequence[socket.socket]) -> None:
    if gone := holding.heard_of(resting):
        raise RuntimeError(f"{gone} of {len(resting)} idle connections were closed meanwhile: nothing was measured")
    if early := holding.heard_of(polls):
        raise RuntimeError(f"{early} of {len(polls)} long polls were answered before their tasks ended")


def _end(turn: Turn, requests: dict[int, load.Request], connections: Sequence[socket.socket]) -> list[float]:
    """Have the tasks done; return how long after the end of its task each poll was answered, in order, in ms."""
    _pause(turn, paused=False)
    answered = holding.answers(list(requests.values()), connections, _DONE_S)
    ended = dict(turn.place.rows("SELECT id, extract(epoch FROM finished_at)::float8 FROM tasks"))
    return sorted(1000 * (at - ended[task_id]) for task_id, at in zip(requests, answered, strict=True))


HELD = Measure(
    "held",
    "held",
    ("taskyard",),
    run,
    (
        Figure("idle", "memory of the API for an idle connection", "KB"),
        Figure("poll", "memory of the API for a long poll and its connection", "KB", (Target(50, at_most=True),)),
        Figure("cpu", "CPU of API and PostgreSQL while all are held, of a core", "%", (Target(10, at_most=True),)),
        Figure("late p50", "end of a task → its long poll is answered, p50", "ms"),
        Figure(
            "late last", "end of a task → its long poll is answered, the latest", "ms", (Target(1000, at_most=True),)
        ),
    ),
    once=True,
)
