"""Ending at SIGTERM while a process starts, before it has anything to end in order."""

import signal
import sys


def leave_at_sigterm() -> None:
    """Have SIGTERM end this process until it takes the signal over itself.

    To be said, since process 1 of a container ignores what it has no handler for: a pod that waits for its database
    would be killed only after its grace period.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
