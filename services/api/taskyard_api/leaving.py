"""How the API leaves without a request that fails.

    SIGTERM ─▶ serves on for `drain_s`, each answer closes its connection ─▶ takes no new connection
            ─▶ answers what comes on those it has ─▶ ends what runs ─▶ exit

Load balancers hear late that a server goes, some of them very late, so it serves on: for `drain_s`, and for as long as
requests go on coming, up to three times that. A client that keeps its connection hears nothing at all: its next request
would meet the connection just as it is closed. An answer with `Connection: close` has it make a new one, which leads
elsewhere. Last it stops listening, and for a moment still answers on the connections that it has: on a busy machine one
that was made just before has its request yet to come.
"""

import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvicorn

_QUIET_S: Final = 3.0  # without a request: nobody sends any more
_AT_MOST: Final = 3
_LAST_S: Final = 2.0  # for requests that are on their way when it stops listening


class Leaving:
    """Since when the API is about to leave, and when a client last asked for something."""

    def __init__(self) -> None:
        self._begun_at: float | None = None
        self._asked_at = 0.0

    @property
    def begun(self) -> bool:
        """Whether it is about to leave."""
        return self._begun_at is not None

    def begin(self) -> None:
        """Be about to leave from now on."""
        self._begun_at = time.monotonic()

    def asked(self, *, by_probe: bool) -> None:
        """Note a request. Probes do not count: they go on to the end."""
        if not by_probe:
            self._asked_at = time.monotonic()

    def has_served_on(self, drain_s: float) -> bool:
        """Return whether it has served on for long enough, of at least `drain_s`."""
        if self._begun_at is None:
            return False
        now = time.monotonic()
        served_s = now - self._begun_at
        is_quiet = now - self._asked_at >= _QUIET_S
        return served_s >= drain_s and (is_quiet or served_s >= _AT_MOST * drain_s)


class LeavingServer(uvicorn.Server):
    """uvicorn that leaves as above at SIGTERM; at SIGINT, or a second signal, without serving on.

    `on_exit` is called when nothing new is taken any more: open long polls would hold up the end.
    """

    def __init__(self, config: uvicorn.Config, leaving: Leaving, drain_s: float, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._leaving = leaving
        self._drain_s = drain_s
        self._on_exit = on_exit
        self._deaf_since: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn names it
        """Begin to leave, or leave. Called by a signal, in the midst of anything.

        Unlike uvicorn's own it does not raise the signal again at the end: who was told to stop, and did, ends by 0.
        """
        if sig == signal.SIGTERM and self._drain_s and not self._leaving.begun:
            self._leaving.begin()
            return
        self._on_exit()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """End the time of serving on; called ten times a second."""
        if not self.should_exit and self._leaving.has_served_on(self._drain_s):
            self._take_no_more()
        return await super().on_tick(counter)

    def _take_no_more(self) -> None:
        """Stop listening, and exit when what was on its way has come."""
        now = time.monotonic()
        if self._deaf_since is None:
            self._deaf_since = now
            for server in self.servers:
                server.close()
        elif now - self._deaf_since >= _LAST_S:
            self._on_exit()
            self.should_exit = True
