"""Nothing that is on its way looks broken to the consistency check, whatever is done to tasks at the same time."""

import random
import threading
import time

from dispatcher.consistency_passes import make_pass
from statements import factories as f
from taskyard.database import Session
from taskyard.statements import dispatching, editing, passes, queues


def test_nothing_is_found_while_all_that_can_be_done_to_tasks_is_done_to_them(check, session, database_url, clock):
    """Nothing that is in flight may look broken, neither to the slices nor to the count."""
    done = threading.Event()
    faults: list[BaseException] = []
    workers = [threading.Thread(target=_live, args=(database_url, seed, done, faults)) for seed in range(6)]
    keeper = threading.Thread(target=_keep, args=(database_url, done, faults))
    for thread in [*workers, keeper]:
        thread.start()
    try:
        ends = time.monotonic() + 15
        made = 0
        while time.monotonic() < ends or made < 10:
            ended = make_pass(check, session, clock)
            assert ended.counted_at is not None
            made += 1
    finally:
        done.set()
        for thread in [*workers, keeper]:
            thread.join(30)
    assert faults == []
    assert session.run(passes.violations) == []
    assert f.rows(session, "SELECT count(*) > 100 FROM attempts") == [(True,)]


def _keep(database_url, done, faults) -> None:
    """Do what a dispatcher does."""
    session = Session(database_url, "keeper")
    try:
        while not done.is_set():
            f.promote(session)
            picked = session.run(dispatching.pick, "default", 1000, 100).tasks
            f.mark(session, picked)
            session.run(queues.fold)
    except BaseException as error:  # noqa: BLE001 - shown by the test
        faults.append(error)
    finally:
        session.close()


def _live(database_url, seed, done, faults) -> None:
    """Do at random what clients and workers do, to tasks of all."""
    dice = random.Random(seed)
    session = Session(database_url, f"life {seed}")
    try:
        while not done.is_set():
            f.insert(session, dice.randrange(1, 4), delay_s=dice.choice([None, 0.01]))
            waiting = f.rows(session, "SELECT task_id, attempt FROM ready ORDER BY random() LIMIT 5")
            for task_id, attempt in waiting:
                _do_something(session, dice, task_id, attempt)
    except BaseException as error:  # noqa: BLE001 - shown by the test
        faults.append(error)
    finally:
        session.close()


def _do_something(session, dice, task_id: int, attempt: int) -> None:
    match dice.randrange(6):
        case 0 | 1 | 2:
            if f.claim(session, task_id, attempt) is not None:
                dice.choice([f.succeed, f.fail, lambda *a: f.fail(*a, due_in_s=0.01)])(session, task_id, attempt)
        case 3:
            with session.transaction() as cursor:
                task = editing.lock(cursor, task_id)
                if task is not None and task.status == "queued":
                    editing.edit(cursor, task, dice.choice([{"priority": 9}, {"delay_s": 0.01}]))
        case 4:
            with session.transaction() as cursor:
                task = editing.lock(cursor, task_id)
                if task is not None and task.status == "queued":
                    editing.cancel_waiting(cursor, task)
                    editing.retry(cursor, editing.lock(cursor, task_id))
        case _:
            with session.transaction() as cursor:
                task = editing.lock(cursor, task_id)
                if task is not None and task.status != "running":
                    editing.delete(cursor, task)
