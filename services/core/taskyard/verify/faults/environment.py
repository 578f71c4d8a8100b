"""The settings of the parts that are broken on purpose."""

import os
from typing import Final

from taskyard.local.ports import LOOPBACK

MARK: Final = "TASKYARD_VERIFY_RUN"
"""The variable by which all processes of a run are found, however far they strayed."""

SLOTS: Final = 2
"""Of each worker."""

_SETTINGS: Final = {
    "PYTHONUNBUFFERED": "1",
    "TASKYARD_LOG_FORMAT": "console",
    "TASKYARD_AUTH": "none",
    "TASKYARD_API_HOST": LOOPBACK,
    "TASKYARD_CONCURRENCY": str(SLOTS),
    # What is in RabbitMQ already runs before a task that lost its worker: this is many times what the slots can hold.
    "TASKYARD_DISPATCH_WINDOW": "100",
    "TASKYARD_HANDLERS": "taskyard.verify.faults.handlers",
    "TASKYARD_INTERRUPT_GRACE_S": "2",
    "TASKYARD_MAX_CHILD_BYTES": str(256 * 1024 * 1024),
}


def part_environment(name: str, api_port: int, lease_s: float) -> dict[str, str]:
    """Return the environment of the part `name`, without where its servers are; nothing of ours steers it."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("TASKYARD_", "PG"))}
    return {
        **inherited,
        **_SETTINGS,
        "TASKYARD_API_PORT": str(api_port),
        "TASKYARD_LEASE_S": f"{lease_s:g}",
        "TASKYARD_WORKER_NAME": name,
    }
