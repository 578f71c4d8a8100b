"""However an attempt ends, it ends in the record, with a reason and words, and its worker goes on as if nothing was."""

import pytest

from waiting import eventually

pytestmark = pytest.mark.e2e

NOT_JSON = ("invalid_result", "InvalidResult", "is not JSON")
TOO_LARGE = ("invalid_result", "InvalidResult", "the limit is 1048576")
TIMEOUT = ("timeout", "TaskTimedOut", "ran longer than")
LOST = ("worker_lost", "WorkerLost", "")

ENDINGS = {
    "object": NOT_JSON,
    "silent object": NOT_JSON,
    "type": NOT_JSON,
    "function": NOT_JSON,
    "async generator": NOT_JSON,
    "nan": ("invalid_result", "InvalidResult", "must be a finite number"),
    "infinity": ("invalid_result", "InvalidResult", "result.a[0]: must be a finite number"),
    "bytes": NOT_JSON,
    "100 MiB of text": TOO_LARGE,
    "100 MiB of text beyond ASCII": TOO_LARGE,
    "100 MiB of numbers": TOO_LARGE,
    "100 MiB of bytes": TOO_LARGE,
    "deep": ("invalid_result", "InvalidResult", "nested deeper than 64 levels"),
    "very deep": NOT_JSON,
    "cyclic list": NOT_JSON,
    "cyclic members": NOT_JSON,
    "surrogate": ("invalid_result", "InvalidResult", "surrogates"),
    "surrogate as a name": ("invalid_result", "InvalidResult", "surrogates"),
    "nul": ("invalid_result", "InvalidResult", "U+0000"),
    "nul as a name": ("invalid_result", "InvalidResult", "cannot be stored"),
    "large number": ("invalid_result", "InvalidResult", "must fit into 64 bits"),
    "very large number": ("invalid_result", "InvalidResult", ""),
    "endless generator": TOO_LARGE,
    "endless generator inside": TIMEOUT,
    "writing raises": NOT_JSON,
    "writing exits": ("invalid_result", "", ""),
    "writing for ever": TIMEOUT,
    "text: raise": ("error", "BadTextError", "its message cannot be shown: RuntimeError"),
    "text: exit": ("error", "BadTextError", "its message cannot be shown: SystemExit"),
    "text: number": ("error", "BadTextError", "its message cannot be shown: TypeError"),
    "text: recursion": ("error", "BadTextError", "its message cannot be shown: RecursionError"),
    "text: for ever": TIMEOUT,
    "silent arguments": ("error", "ValueError", "its message cannot be shown"),
    "liar": ("error", "", "cannot be looked at"),
    "nul in its text": ("error", "ValueError", "a\ufffdb"),
    "surrogate in its text": ("error", "ValueError", "a\ufffd"),
    "100 MiB in its text": ("error", "ValueError", "x…"),
    "nul in its name": ("error", "a\ufffdb", "a"),
    "surrogate in its name": ("error", "a\ufffd\ufffd\ufffdb", "a"),
    "huge name": ("error", "a" * 200, "a"),
    "many in a group": ("error", "ExceptionGroup", "many (10000 sub-exceptions)"),
    "groups in groups": ("error", "ExceptionGroup", "one inside another"),
    "bases in a group": ("error", "BaseExceptionGroup", "bases (3 sub-exceptions)"),
    "long chain": ("error", "ValueError", "9999"),
    "delay that is no number": ("error", "OutcomeRefused", "Retry: later"),
    "delay that is NaN": ("error", "OutcomeRefused", "Retry: later"),
    "delay past all calendars": ("error", "OutcomeRefused", "Retry: later"),
    "a wait of ages": ("error", "ValueError", "after_s must be"),
    **{
        name: ("error", name, "")
        for name in (
            *("BaseException", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration", "MemoryError"),
            *("StopAsyncIteration", "RecursionError", "CancelledError", "Exception", "OSError", "UnicodeError"),
        )
    },
    "recursion": ("error", "RecursionError", "recursion"),
    "exits_at_once": LOST,
    "kills_itself": LOST,
    "aborts": LOST,
    "closes_every_file": LOST,
    "takes_the_signals": TIMEOUT,
    "notes_that_cannot_be_stored": ("error", "ValueError", "noted"),
}
CHECKS = {
    "raise": ("invalid_payload", "LookupError", "raise"),
    "exit": ("invalid_payload", "SystemExit", "3"),
    "for ever": TIMEOUT,
}
ASYNCHRONOUS = ("nan", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "text: exit", "recursion")
ENDS_ITS_CHILD = {"text: for ever", "exits_at_once", "kills_itself", "aborts", "closes_every_file", "takes_the_signals"}


def fault(task, expected):
    """Return what is wrong with the record of a task that ended badly, if anything is."""
    reason, type_, words = expected
    seen = (task["status"], task["reason"], task["error_type"], task["error_message"])
    attempts = task["attempts"]
    if seen[:2] != ("failed", reason) or (type_ and seen[2] != type_) or words not in (seen[3] or ""):
        return f"{seen}, expected {expected}"
    if len(attempts) != (3 if reason == "worker_lost" else 1) or attempts[-1]["reason"] != reason:
        return f"{len(attempts)} attempts, the last one {attempts[-1]}"
    return None if seen[3] is not None and len(seen[3]) <= 2000 else f"a message of {len(seen[3] or '')} characters"


def submit_all(taskyard, kind, hows):
    def options(how):
        short = {"timeout_s": 1} if "for ever" in how or "inside" in how or "signals" in how else {}
        return short | ({"max_attempts": 2} if "delay" in how else {})

    return {how: taskyard.submit(kind, {"how": how}, **options(how)) for how in hows}


@pytest.mark.timeout(900)
def test_each_bad_ending_is_recorded_with_its_reason(taskyard):
    taskyard.environment["TASKYARD_HANDLERS"] = "handlers_that_end_badly"
    worker = taskyard.part("worker", TASKYARD_CONCURRENCY="2")
    taskyard.part("dispatcher")
    taskyard.part("api")
    eventually(lambda: taskyard.client.get("/readyz").status_code == 200, "the API is ready", 120)
    eventually(lambda: worker.said("worker runs"), f"the worker runs; see {worker.log}", 120)
    tame = [how for how in ENDINGS if how not in ENDS_ITS_CHILD]
    children = {child.pid for child in worker.children()}
    submitted = [
        *((task_id, ENDINGS[how]) for how, task_id in submit_all(taskyard, "test.ends", tame).items()),
        *((task_id, ENDINGS[how]) for how, task_id in submit_all(taskyard, "test.ends.async", ASYNCHRONOUS).items()),
        *((task_id, CHECKS[how]) for how, task_id in submit_all(taskyard, "test.checked", CHECKS).items()),
    ]
    faults = {
        task["payload"]["how"]: wrong
        for task_id, expected in submitted
        if (wrong := fault(task := taskyard.wait(task_id, 300), expected))
    }
    assert faults == {}
    assert {child.pid for child in worker.children()} == children, "a child ended"
    assert not worker.said("supervision failed")
    harsh = submit_all(taskyard, "test.ends", ENDS_ITS_CHILD)
    faults = {how: fault(taskyard.wait(task_id, 120), ENDINGS[how]) for how, task_id in harsh.items()}
    assert faults == dict.fromkeys(harsh)
    assert taskyard.wait(taskyard.submit())["status"] == "succeeded"
    assert worker.process.poll() is None
    eventually(lambda: len(worker.children()) == 2, "both children are there")
