"""Telling the dispatchers that there is new work: outside the transactions that brought it, and not too often."""

import threading
from typing import Final

import structlog

from taskyard.database import Session, wake
from taskyard.errors import UnavailableError

_REST_S: Final = 0.01
"""Seconds between two wake-ups: under load the dispatchers look by themselves."""

log = structlog.get_logger(__name__)


class Waker:
    """A thread that sends one notification for however many calls of `wake` came since the last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="waker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Have the dispatchers look soon; from any thread, returns at once."""
        self._wanted.set()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join()
        self._session.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait()
            self._wanted.clear()
            try:
                self._session.run(wake)
            except UnavailableError as error:  # the dispatchers look by themselves twice a second
                log.debug("no wake-up was sent", error=str(error))
            self._stopping.wait(_REST_S)
