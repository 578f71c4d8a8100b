"""The kinds that every worker has, each in a module of its own, declared like a user's handlers."""

from typing import Final

MODULES: Final = (
    "taskyard_worker.builtin.data_process",
    "taskyard_worker.builtin.email_send",
    "taskyard_worker.builtin.http_request",
    "taskyard_worker.builtin.image_thumbnail",
    "taskyard_worker.builtin.sleep",
    "taskyard_worker.builtin.verify_write",
)
"""What `taskyard.handlers.load` is given beside the modules named in `TASKYARD_HANDLERS`."""
