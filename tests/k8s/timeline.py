"""A pool of workers over time: looked at every few seconds while a test does something else."""

import threading
import time
from dataclasses import asdict, dataclass
from typing import Self

import httpx

from k8s.cluster import CommandError
from k8s.release import Release

EVERY_S = 2.0


@dataclass(frozen=True)
class Moment:
    """What was there, `at_s` after the beginning. `leaving` pods are told to end, and finish what they run."""

    at_s: float
    pods: int
    ready: int
    leaving: int
    waiting: int
    running: int


class Timeline:
    """A thread that looks; a context manager, so that it ends with the test."""

    def __init__(self, release: Release, pool: str = "default") -> None:
        self._release = release
        self._pool = pool
        self._began = time.monotonic()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.moments: list[Moment] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ends.wait(EVERY_S):
            try:
                self.moments.append(self._moment())
            except (CommandError, httpx.TransportError):
                continue  # a look that failed is a look less

    def _moment(self) -> Moment:
        at_s = round(time.monotonic() - self._began, 1)
        pods = self._release.cluster.pods(component="worker", pool=self._pool)
        tasks = self._release.api.counts()
        staying = [pod for pod in pods if not pod.leaving]
        return Moment(
            at_s=at_s,
            pods=len(staying),
            ready=sum(pod.ready for pod in staying),
            leaving=len(pods) - len(staying),
            waiting=sum(tasks.get(status, 0) for status in ("queued", "scheduled", "retrying")),
            running=tasks.get("running", 0),
        )

    def steps(self) -> list[dict[str, float]]:
        """Return the moments at which the number of pods was another than before."""
        steps: list[Moment] = []
        for moment in self.moments:
            if not steps or (moment.pods, moment.leaving) != (steps[-1].pods, steps[-1].leaving):
                steps.append(moment)
        return [asdict(step) for step in steps]
