"""The command `taskyard-worker`: hears SIGTERM from the first moment, and only then loads what a worker is made of.

Process 1 of a container ignores a signal for which it has no handler, and loading takes seconds on a busy node. A
worker that is told to end just as it begins would take tasks all the same, until it is killed over them at the end of
its grace period.
"""

import signal
import sys


def main() -> None:
    """Run the command line. SIGTERM ends it at once until the worker takes the signal over."""
    # As taskyard.leaving has it; but to import that loads half of what this must not wait for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    from taskyard_worker import cli  # noqa: PLC0415 - see above

    cli.main()
