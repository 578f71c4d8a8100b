"""Having the faults of a plan happen: first those that come alone, then kills, then the mixed ones at their moments."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from taskyard.local.errors import LocalRunError
from taskyard.verify.faults.catalogue import FAULTS
from taskyard.verify.faults.plan import Fault, Plan
from taskyard.verify.faults.stage import SkippedError, Stage
from taskyard.verify.faults.story import Injected, Story

_AT_ONCE: Final = 64
_AFTER_EACH_S: Final = 1.0


class Conductor:
    """Injects the faults of `plan` into `stage`; `say` is told how far it is."""

    def __init__(self, stage: Stage, plan: Plan, story: Story, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._plan = plan
        self._story = story
        self._say = say
        self._broken: list[BaseException] = []

    def run(self) -> None:
        """Inject all of them, and return when the last is over.

        Raises:
            LocalRunError: what was broken did not come back.
        """
        for fault in self._plan.alone:
            self._inject(fault)
            self._stage.wait_until(self._stage.serves, f"the API serves after {fault.sort}")
            self._stage.ending.wait(_AFTER_EACH_S)
        if self._plan.alone:
            self._say(f"{len(self._plan.alone)} faults alone are over; {len(self._plan.kills)} kills begin")
        self._at_their_moments(self._plan.kills)
        if self._plan.kills:
            self._say(f"the kills are over; {len(self._plan.mixed)} mixed faults begin")
        self._at_their_moments(self._plan.mixed)
        if self._broken:
            raise self._broken[0]

    def _at_their_moments(self, faults: Sequence[Fault]) -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fault") as threads:
            for fault in faults:
                if self._stage.ending.wait(max(0.0, began + fault.at_s - time.monotonic())):
                    return
                threads.submit(self._inject, fault)

    def _inject(self, fault: Fault) -> None:
        began_s = time.time()
        whom = skipped = ""
        try:
            whom = FAULTS[fault.sort](self._stage, fault, self._story)
        except SkippedError as reason:
            skipped = str(reason)
        except LocalRunError as error:
            skipped = str(error)
            if not self._stage.ending.is_set():
                self._broken.append(error)
        except BaseException as error:
            self._broken.append(error)
            raise
        done = Injected(fault, whom, skipped, began_s, time.time())
        self._story.injected(done)
        with suppress(ValueError):  # the story is closed: the run was broken off
            self._stage.note(
                f"{time.strftime('%H:%M:%S', time.gmtime(began_s))} {done.ended_s - began_s:5.1f} s  "
                f"{fault.number:3} {fault.sort}: {whom or 'skipped, ' + skipped}"
            )
