"""How the API leaves without a request that fails.

    SIGTERM ─▶ serves on for `drain_s`, each answer closes its connection ─▶ takes nothing new ─▶ ends what runs ─▶ exit

Load balancers hear late that a server goes, so it serves on. A client that keeps its connection hears nothing at all:
its next request would meet the connection just as it is closed. An answer with `Connection: close` has it make a new
one, which leads elsewhere.
"""

import signal
import time
from collections.abc import Callable
from types import FrameType

import uvicorn


class Leaving:
    """Whether the API is about to leave."""

    def __init__(self) -> None:
        self.begun = False


class LeavingServer(uvicorn.Server):
    """uvicorn that leaves as above at SIGTERM; at SIGINT, or a second signal, without serving on.

    `on_exit` is called when nothing new is taken any more: open long polls would hold up the end.
    """

    def __init__(self, config: uvicorn.Config, leaving: Leaving, drain_s: float, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._leaving = leaving
        self._drain_s = drain_s
        self._on_exit = on_exit
        self._exits_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave, or leave. Called by a signal, in the midst of anything."""
        if sig == signal.SIGTERM and self._drain_s and not self._leaving.begun:
            self._leaving.begun = True
            self._exits_at = time.monotonic() + self._drain_s
            return
        self._on_exit()
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """End the time of serving on; called ten times a second."""
        if self._exits_at is not None and time.monotonic() >= self._exits_at:
            self._exits_at = None
            self._on_exit()
            self.should_exit = True
        return await super().on_tick(counter)
