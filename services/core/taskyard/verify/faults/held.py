"""A part that can be kept from being started again: what a supervisor keeps running, and a fault keeps away."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from taskyard.local.errors import LocalRunError
from taskyard.local.processes import Part

T = TypeVar("T", bound=Part)


class Held(Generic[T]):
    """`part` as a supervisor sees it; `hold` keeps it from being started until `release`."""

    def __init__(self, part: T) -> None:
        self.part = part
        self._free = threading.Event()
        self._free.set()
        self._ending = False

    @property
    def name(self) -> str:
        """The part's name."""
        return self.part.name

    @property
    def log(self) -> Path:
        """The part's log."""
        return self.part.log

    def hold(self) -> None:
        """Keep the part away once it has ended."""
        self._free.clear()

    def release(self) -> None:
        """Let it be started again."""
        self._free.set()

    def away(self, end: Callable[[], None], meanwhile: Callable[[], object]) -> None:
        """End the part by `end`, and keep it away while `meanwhile` runs."""
        self.hold()
        try:
            end()
            meanwhile()
        finally:
            self.release()

    def start(self) -> None:
        """Start the part as soon as nobody holds it.

        Raises:
            LocalRunError: it cannot be started, or is to end.
        """
        self._free.wait()
        if self._ending:
            raise LocalRunError(f"{self.name} is to end")
        self.part.start()

    def wait(self) -> int:
        """Wait for its end."""
        return self.part.wait()

    def stop(self) -> None:
        """End it in peace."""
        self._ending = True
        self.release()
        self.part.stop()

    def kill(self) -> None:
        """End it at once."""
        self._ending = True
        self.release()
        self.part.kill()
