"""The command `taskyard-kubernetes`: it hears SIGTERM before it loads what it is made of."""

from taskyard.leaving import leave_at_sigterm


def main() -> None:
    """Run the command line."""
    leave_at_sigterm()
    from taskyard_kubernetes import cli  # noqa: PLC0415 - it takes seconds

    cli.main()
