"""A task's life, whatever happens to it in whatever order: a state machine that hypothesis drives over the record."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from statements import factories as f
from taskyard.outcomes import Move
from taskyard.statements import claims, dispatching, editing, finishing, queues, reading, recovery
from taskyard.statements.claims import Held
from taskyard.statements.finishing import Ending
from taskyard.states import FINAL, MOVES, WAITING, Reason, Status


class Life(RuleBasedStateMachine):
    """One task, and everybody who may do something to it. `model` is what it should be."""

    session = None

    @initialize(delay_s=st.sampled_from([0.0, 3600.0]))
    def submit(self, delay_s):
        [self.task_id] = f.insert(self.session, delay_s=delay_s)
        self.model = Status.SCHEDULED if delay_s else Status.QUEUED
        self.attempt = 0
        self.outcomes = 0
        self.gone = False

    def _lock(self, change, *args):
        with self.session.transaction() as cursor:
            change(cursor, editing.lock(cursor, self.task_id), *args)

    @rule(attempt=st.integers(1, 4))
    @precondition(lambda self: not self.gone)
    def claim(self, attempt):
        claimed = f.claim(self.session, self.task_id, attempt)
        assert (claimed is not None) == (self.model is Status.QUEUED and attempt == self.attempt + 1)
        if claimed:
            self.model, self.attempt = Status.RUNNING, attempt

    @rule(attempt=st.integers(1, 4), due_in_s=st.sampled_from([None, 0.0, 3600.0]), good=st.booleans())
    @precondition(lambda self: not self.gone)
    def finish(self, attempt, due_in_s, good):
        if good:
            status = f.succeed(self.session, self.task_id, attempt)
            expected = Status.SUCCEEDED
        else:
            status = f.fail(self.session, self.task_id, attempt, due_in_s)
            expected = Status.FAILED if due_in_s is None else Status.RETRYING
        ours = self.model is Status.RUNNING and attempt == self.attempt
        assert status == (expected if ours else None)
        if ours:
            self.model = expected
            self.outcomes += 1

    @rule()
    @precondition(lambda self: not self.gone and self.model is Status.RUNNING)
    def lose(self):
        f.run_sql(self.session, "UPDATE tasks SET lease_until = now() - interval '1 s' WHERE id = %s", self.task_id)
        with self.session.transaction() as cursor:
            [expired] = recovery.expired(cursor, 100, 10)
            move = Move(Status.RETRYING, Reason.WORKER_LOST)
            finishing.finish(cursor, [Ending(expired.held, finishing.lost("gone"), move)])
        self.model = Status.RETRYING
        self.outcomes += 1

    @rule()
    @precondition(lambda self: not self.gone and self.model in (Status.SCHEDULED, Status.RETRYING))
    def come_due(self):
        f.run_sql(self.session, "UPDATE tasks SET run_at = now() WHERE id = %s", self.task_id)
        assert f.promote(self.session) == 1
        self.model = Status.QUEUED

    @rule()
    @precondition(lambda self: not self.gone)
    def dispatch(self):
        tasks = self.session.run(dispatching.pick, "default", 1000, 10).tasks
        f.mark(self.session, tasks)

    @rule()
    @precondition(lambda self: not self.gone and self.model in WAITING)
    def cancel(self):
        self._lock(editing.cancel_waiting)
        self.model = Status.CANCELLED

    @rule()
    @precondition(lambda self: not self.gone and self.model in (Status.FAILED, Status.CANCELLED))
    def retry(self):
        self._lock(editing.retry)
        self.model = Status.QUEUED

    @rule(priority=st.integers(0, 9))
    @precondition(lambda self: not self.gone and self.model in WAITING)
    def edit(self, priority):
        self._lock(editing.edit, {"priority": priority})
        due = f.rows(self.session, "SELECT run_at <= now() FROM tasks WHERE id = %s", self.task_id)[0][0]
        if due:  # an edit looks at the time, too
            self.model = Status.QUEUED

    @rule()
    @precondition(lambda self: not self.gone)
    def fold(self):
        self.session.run(queues.fold)

    @rule()
    @precondition(lambda self: not self.gone and self.model is not Status.RUNNING and self.model in FINAL)
    def delete(self):
        self._lock(editing.delete)
        self.gone = True

    @rule()
    @precondition(lambda self: self.gone)
    def knock(self):
        assert f.claim(self.session, self.task_id, self.attempt + 1) is None
        assert f.succeed(self.session, self.task_id, self.attempt) is None

    @invariant()
    def the_record_agrees(self):
        if not hasattr(self, "task_id"):
            return
        task = f.read(self.session, self.task_id)
        if self.gone:
            assert task is None
            assert f.ready(self.session) == []
            return
        assert (task.status, task.attempt) == (self.model, self.attempt)
        assert f.ready(self.session) == ([(self.task_id, self.attempt + 1)] if self.model is Status.QUEUED else [])
        ended = [attempt for attempt in self.session.run(reading.attempts, self.task_id) if attempt.outcome]
        assert len(ended) == self.outcomes
        assert f.counted(self.session) == f.recounted(self.session)

    def teardown(self):
        f.run_sql(self.session, "TRUNCATE tasks, ready, attempts, moves, counters RESTART IDENTITY")


def test_whatever_happens_to_a_task_the_record_agrees(session):
    assert MOVES  # the machine's rules are the moves of this table
    run_state_machine_as_test(
        type("Bound", (Life,), {"session": session}),
        settings=settings(
            max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.parametrize("status", sorted(FINAL | WAITING))
def test_a_waiting_or_ended_task_can_be_deleted(session, status):
    [task_id] = f.insert(session, delay_s=60 if status == "scheduled" else None)
    if status in ("retrying", "failed", "succeeded"):
        f.claim(session, task_id)
        f.succeed(session, task_id) if status == "succeeded" else f.fail(
            session, task_id, due_in_s=60 if status == "retrying" else None
        )
    with session.transaction() as cursor:
        task = editing.lock(cursor, task_id)
        if status == "cancelled":
            editing.cancel_waiting(cursor, task)
            task = editing.lock(cursor, task_id)
        assert task.status == status
        editing.delete(cursor, task)
    assert f.status(session, task_id) is None
    assert f.ready(session) == []
    assert f.counted(session) == f.recounted(session) == {}
    assert session.run(claims.claim, [Held(task_id, 1)], "default", "w", 30) == []
