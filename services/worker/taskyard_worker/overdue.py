"""A call that comes unless somebody is done before: for bundles that take longer than was thought."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Overdue(Generic[T]):
    """Calls `act` with what is watched for longer than `after_s`, in a thread that the first watching starts.

    Watching costs no switch of threads as long as it goes on without a pause.
    """

    def __init__(self, after_s: float, act: Callable[[T], None]) -> None:
        self._after_s = after_s
        self._act = act
        self._watched: T | None = None
        self._due_at = 0.0
        self._sleeps = True
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, watched: T) -> Iterator[None]:
        """Watch for the length of the block."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="overdue", daemon=True)
                self._thread.start()
            self._watched, self._due_at = watched, time.monotonic() + self._after_s
            if self._sleeps:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._watched = None

    def _run(self) -> None:
        # Signals shall interrupt the thread that runs handlers, whatever it waits for.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            watched = self._await()
            try:
                self._act(watched)
            except Exception:
                log.exception("what is overdue could not be looked after")

    def _await(self) -> T:
        """Return what is overdue, once something is."""
        with self._changed:
            while True:
                left_s = self._due_at - time.monotonic()
                self._sleeps = self._watched is None and left_s <= 0
                if self._sleeps:
                    self._changed.wait()
                elif left_s > 0:
                    self._changed.wait(left_s)
                elif self._watched is not None:
                    watched, self._watched = self._watched, None
                    return watched
