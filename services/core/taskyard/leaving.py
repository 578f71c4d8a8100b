"""Ending at SIGTERM while a process starts, before it has anything to end in order.

Process 1 of a container ignores a signal for which it has no handler, and loading takes seconds on a busy node. A part
that is told to end just as it begins would start all the same, and be killed at the end of its grace period: a worker
over tasks that it took meanwhile. So each command says `leave_at_sigterm` first and imports what it is made of after
that. Only the standard library is imported here, and little of it.
"""

import signal
import sys


def leave_at_sigterm() -> None:
    """Have SIGTERM end this process until it takes the signal over itself."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
