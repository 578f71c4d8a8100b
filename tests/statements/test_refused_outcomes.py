"""An outcome that the record cannot hold is refused, and with it all that came in the same statement."""

import psycopg2
import pytest

from statements import factories as f
from taskyard.outcomes import ErrorReport, Failed, Move, Outcome, Succeeded
from taskyard.statements import finishing
from taskyard.statements.claims import Held
from taskyard.statements.finishing import Ending
from taskyard.states import Reason, Status

GOOD = (Succeeded('{"rows": 1}'), Move(Status.SUCCEEDED))
LATER = Move(Status.RETRYING, Reason.ERROR, 1.0)
ENDED = Move(Status.FAILED, Reason.ERROR)


def failed(text: str) -> Outcome:
    return Failed(Reason.ERROR, ErrorReport("Error", text))


@pytest.mark.parametrize(
    ("outcome", "move"),
    [
        (failed("later"), Move(Status.RETRYING, Reason.ERROR, float("nan"))),
        (failed("later"), Move(Status.RETRYING, Reason.ERROR, float("inf"))),
        (failed("later"), Move(Status.RETRYING, Reason.ERROR, 1e300)),
        (failed("\x00"), LATER),
        (failed("\ud800"), ENDED),
        (Succeeded('{"a": "\\u0000"}'), Move(Status.SUCCEEDED)),
        (Succeeded('{"a": '), Move(Status.SUCCEEDED)),
        (Succeeded("NaN"), Move(Status.SUCCEEDED)),
        (Succeeded('1}, {"task_id": 3, "attempt": 1, "status": "failed", "reason": "error"'), Move(Status.SUCCEEDED)),
    ],
)
def test_what_cannot_be_held_is_refused_whole(session, outcome, move):
    good, bad, _ = task_ids = f.insert(session, 3)
    for task_id in task_ids:
        f.claim(session, task_id)
    endings = [Ending(Held(good, 1), *GOOD), Ending(Held(bad, 1), outcome, move)]
    with pytest.raises((ValueError, TypeError, psycopg2.DataError)):
        session.run(finishing.finish, endings)
    assert {f.read(session, task_id).status for task_id in task_ids} == {Status.RUNNING}
    assert session.run(finishing.finish, endings[:1]) == {Held(good, 1): Status.SUCCEEDED}
