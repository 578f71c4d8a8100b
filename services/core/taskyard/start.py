"""The commands `taskyard` and `taskyard-flower`: they hear SIGTERM before they load what they are made of."""

from taskyard.leaving import leave_at_sigterm


def main() -> None:
    """Run the command line `taskyard`."""
    leave_at_sigterm()
    from taskyard import cli  # noqa: PLC0415 - it takes seconds

    cli.main()


def flower() -> None:
    """Run Flower."""
    leave_at_sigterm()
    from taskyard import flower as flower_  # noqa: PLC0415 - it takes seconds

    flower_.main()
