"""What stops a local run."""

from typing import ClassVar

from taskyard.errors import TaskyardError


class LocalRunError(TaskyardError):
    """A server or a part cannot run on this machine; the message says what is missing and where to look."""

    code: ClassVar[str] = "local_run"
