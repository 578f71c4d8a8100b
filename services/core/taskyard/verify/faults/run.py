"""`taskyard verify --faults local`: an installation of its own, canaries, faults, and at the end the whole ledger."""

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Final

from taskyard.database import Session
from taskyard.errors import TaskyardError
from taskyard.verify import report
from taskyard.verify.canaries import canaries
from taskyard.verify.client import Client
from taskyard.verify.facts import TaskSeen
from taskyard.verify.faults.conductor import Conductor
from taskyard.verify.faults.ending import await_ends, look_through
from taskyard.verify.faults.plan import Plan, named, plan
from taskyard.verify.faults.stage import Stage
from taskyard.verify.faults.story import Story
from taskyard.verify.ledger import Ledger
from taskyard.verify.submitters import Submitters
from taskyard.verify.verdict import Finding, Verdict, judge, percentile, recoveries

_LONGEST_CANARY_S: Final = 2.0
_SUBMITS_FOR: Final = 0.9
"""The share of the time in which tasks are submitted; the rest of them meets the last faults while it waits."""

_LATE_S: Final = 300.0
_RECOVERS_S: Final = 10.0
"""What is promised beyond the lease for the 99th of a hundred recoveries."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: `faults` are names of sorts or families, none for all."""

    directory: Path
    server_directory: Path
    seed: int
    duration_s: float
    tasks: int
    at_least: int
    lease_s: float
    faults: Sequence[str]


def run(order: Order, say: Callable[[str], None]) -> int:
    """Do it, and say how it went; return 0 where every promise was kept, 1 where not, 2 where it could not be tried."""
    began = time.monotonic()
    try:
        planned = plan(order.seed, order.duration_s, order.at_least, named(order.faults))
    except ValueError as error:
        say(f"taskyard verify: {error}")
        return 2
    say(f"seed {order.seed}: {order.tasks:,} tasks and {len(planned.faults)} faults in {order.duration_s:.0f} s")
    shutil.rmtree(order.directory, ignore_errors=True)
    order.directory.mkdir(parents=True)
    stage = Stage(order.directory, order.server_directory, order.lease_s)
    try:
        with _ended_by_signals(stage):
            say(f"starting PostgreSQL, RabbitMQ and the parts; logs are in {order.directory}")
            stage.start()
            say("all runs; tasks and faults begin")
            verdict, story, rows = _Run(order, planned, stage, say).perform()
    except TaskyardError as error:
        say(f"taskyard verify: {error}")
        return 2
    finally:
        stage.stop()
    took_s = time.monotonic() - began
    for line in [
        *report.lines(verdict, seed=order.seed, took_s=took_s, sent_again=story.ledger.refusals),
        *rows,
        *report.ending(verdict),
    ]:
        say(line)
    return 0 if verdict.is_good else 1


class _Run:
    """One run on a stage that stands."""

    def __init__(self, order: Order, planned: Plan, stage: Stage, say: Callable[[str], None]) -> None:
        self._order = order
        self._plan = planned
        self._stage = stage
        self._say = say
        self._story = Story(Ledger())

    def perform(self) -> tuple[Verdict, Story, list[str]]:
        """Submit and break, wait for the rest, and judge; return the verdict, what was noted, and rows of the table."""
        stage, story, order = self._stage, self._story, self._order
        submitters = Submitters(
            lambda: Client(stage.api_url),
            canaries(stage.run, order.seed, order.tasks, _LONGEST_CANARY_S),
            story.ledger,
            stage.ending,
            every_s=order.duration_s * _SUBMITS_FOR / order.tasks,
        )
        submitters.start()
        with _progress(story, self._say):
            Conductor(stage, self._plan, story, self._say).run()
            self._say("the faults are over; waiting for the tasks")
            submitters.join(_LATE_S)
            if submitters.refusal:
                raise submitters.refusal
            session = Session(stage.postgresql.part.url, "verify", statement_timeout_s=120)
            await_ends(stage, session, self._say)
        stage.wait_until(stage.serves, "the API serves")
        seen, findings = look_through(stage, session)
        session.close()
        return self._judge(seen, findings)

    def _judge(self, seen: Sequence[TaskSeen], findings: Sequence[Finding]) -> tuple[Verdict, Story, list[str]]:
        story, order = self._story, self._order
        verdict = judge(story.ledger.promises, seen, story.ledger.contradictions)
        found = [*verdict.findings, *findings]
        if (missing := order.tasks + _as_tasks(story) - verdict.promised) > 0:
            found.append(Finding("canaries that were never answered", missing, ""))
        recovered = recoveries(seen, story.kills)
        undisturbed_s = sorted(one.took_s for one in recovered if not story.was_disturbed(one))
        if (p99_s := percentile(undisturbed_s, 0.99)) > order.lease_s + _RECOVERS_S:
            found.append(Finding("recoveries too slow", 1, f"p99 {p99_s:.1f} s"))
        if (few := order.at_least - sum(story.done.values())) > 0:
            found.append(Finding("faults too few", few, str(dict(story.skipped))))
        rows = [
            report.row(f"kill to next attempt, lease {order.lease_s:g} s", report.recovery(undisturbed_s)),
            report.row("  with other faults meanwhile", report.recovery(sorted(one.took_s for one in recovered))),
            report.row("faults injected", str(sum(story.done.values()))),
            *(report.row(f"  {sort}", str(count)) for sort, count in sorted(story.done.items())),
            *(f"  skipped {count}: {reason}" for reason, count in sorted(story.skipped.items())),
        ]
        return replace(verdict, findings=found), story, rows


def _as_tasks(story: Story) -> int:
    return sum(count for sort, count in story.done.items() if sort.startswith("handler."))


@contextmanager
def _progress(story: Story, say: Callable[[str], None]) -> Iterator[None]:
    """Say every half minute how far it is."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(30.0):
            say(f"{len(story.ledger):,} tasks taken, {sum(story.done.values())} faults injected")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _ended_by_signals(stage: Stage) -> Iterator[None]:
    """Have a signal end the run early."""

    def end(_number: int, _frame: FrameType | None) -> None:
        stage.ending.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
