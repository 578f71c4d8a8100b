"""One message through a child, with the record and without Celery."""

import pytest

from statements import factories as f
from taskyard.database import Session
from taskyard.handlers import Kind, load
from taskyard.outcomes import Outcome, Succeeded
from taskyard.prepared import BY_KEY
from taskyard.statements.claims import Claim, Held
from taskyard_worker.executor import Executor
from taskyard_worker.journal import Journals
from taskyard_worker.record import WaitingRecord
from taskyard_worker.reports import AttemptFailedError, parse


def _run(_kind: Kind, claim: Claim) -> Outcome:
    """Return what PostgreSQL cannot hold for one of the tasks: a number with more digits than it has place for."""
    return Succeeded("1e999999" if claim.name == "vast" else str(claim.held.task_id))


def test_a_message_is_recorded_task_by_task_where_the_record_refuses_one_and_leaves_nothing_behind(
    database_url, session
):
    task_ids = [*f.insert(session, 2), *f.insert(session, 1, name="vast"), *f.insert(session, 2)]
    attempts = [Held(task_id, 1) for task_id in task_ids]
    journals, mine = Journals(1), Session(database_url, "test", options=BY_KEY)
    kinds = load(["taskyard_worker.builtin.sleep"])
    executor = Executor(WaitingRecord(mine, "w", 30.0), kinds, _run, journals.open(0), lambda: 0.5, 3)
    with pytest.raises(AttemptFailedError) as failure:
        executor.execute(attempts, "default")
    mine.close()
    reports = parse(str(failure.value))
    assert [report.status for report in reports] == ["succeeded", "succeeded", "failed", "succeeded", "succeeded"]
    tasks = [f.read(session, task_id) for task_id in task_ids]
    assert [task.status for task in tasks] == [report.status for report in reports]
    assert [task.reason for task in tasks if task.status == "failed"] == ["invalid_result"]
    assert [task.result for task in tasks if task.status == "succeeded"] == [*task_ids[:2], *task_ids[3:]]
    assert journals.find(attempts[0]) is None
    assert f.counted(session) == f.recounted(session)
