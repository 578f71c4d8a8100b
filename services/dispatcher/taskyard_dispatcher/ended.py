"""Tasks that ended, as metrics: told by the record in groups, since one by one a burst would keep the leader busy."""

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from taskyard.metrics import ATTEMPTS, END_TO_END_SECONDS
from taskyard.statements.ends import Ends
from taskyard.states import FINAL


class _Histogram:
    """A histogram by queue that takes many observations at once. `bounds` without the last, which is infinite."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = [str(float(bound)) for bound in bounds] + ["+Inf"]
        self._counts: dict[str, list[int]] = defaultdict(lambda: [0] * len(self._bounds))
        self._sums: dict[str, float] = defaultdict(float)

    def add(self, queue: str, place: int, count: int, total: float) -> None:
        """Count `count` values that lie in the bucket number `place`, and together make `total`."""
        self._counts[queue][place] += count
        self._sums[queue] += total

    def family(self) -> HistogramMetricFamily:
        """Return it as it is shown."""
        shown = HistogramMetricFamily(self._name, self._documentation, labels=["queue"])
        for queue, counts in self._counts.items():
            buckets = list(zip(self._bounds, accumulate(counts), strict=True))
            shown.add_metric([queue], buckets, self._sums[queue])
        return shown


class EndedTasks(Collector):
    """How tasks ended; and of those not cancelled, after how long and how many attempts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # shown by another thread than the one that counts
        self._finished: dict[tuple[str, str, str], int] = defaultdict(int)
        self._end_to_end = _Histogram(
            "taskyard_task_end_to_end_seconds",
            "Time from when a task was due to its end; cancelled ones are left out.",
            END_TO_END_SECONDS,
        )
        self._attempts = _Histogram(
            "taskyard_task_attempts", "Attempts that a task took to its end; cancelled ones are left out.", ATTEMPTS
        )

    def expect(self, kinds: Mapping[str, str], queues: Iterable[str]) -> None:
        """Show what has not happened yet as 0: for each of `kinds`, which says its queue, and for each of `queues`."""
        with self._lock:
            for kind, queue in kinds.items():
                for outcome in sorted(FINAL):
                    self._finished[kind, queue, outcome] += 0
            for queue in queues:
                self._end_to_end.add(queue, 0, 0, 0.0)
                self._attempts.add(queue, 0, 0, 0.0)

    def add(self, ended: Iterable[Ends]) -> None:
        """Count these too; their spans refer to `END_TO_END_SECONDS`."""
        with self._lock:
            for ends in ended:
                self._finished[ends.kind, ends.queue, ends.outcome] += ends.tasks
                if ends.span is not None:
                    self._end_to_end.add(ends.queue, ends.span, ends.tasks, ends.end_to_end_s)
                if ends.attempts is not None:
                    place = bisect_left(ATTEMPTS, ends.attempts)
                    self._attempts.add(ends.queue, place, ends.tasks, ends.attempts * ends.tasks)

    def collect(self) -> Iterator[Metric]:
        """Give the three metrics."""
        finished = CounterMetricFamily(
            "taskyard_tasks_finished", "Tasks that ended.", labels=["kind", "queue", "outcome"]
        )
        with self._lock:
            for labels, count in self._finished.items():
                finished.add_metric(labels, count)
            families = [finished, self._end_to_end.family(), self._attempts.family()]
        yield from families
