"""Settings of the worker, from the environment."""

import os
import socket
from typing import Annotated

from pydantic import BeforeValidator, Field

from taskyard.handlers import NAME_PATTERN
from taskyard.settings import AttemptSettings, WordList, split_words


def _name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


class WorkerSettings(AttemptSettings):
    """What a worker runs, and the bounds within which its children live."""

    handlers: Annotated[WordList, BeforeValidator(split_words)] = Field(
        (), description="modules with handlers, separated by commas; the built-in kinds are always loaded"
    )
    queues: Annotated[WordList, BeforeValidator(split_words)] = Field(
        (), description="queues to work on, separated by commas; empty: those of the loaded kinds"
    )
    concurrency: int = Field(2, ge=1, le=256, description="processes that run attempts, one attempt each at a time")
    worker_name: str = Field(
        default_factory=_name,
        min_length=1,
        max_length=200,
        description="name in the record and in Flower; must be unique",
    )
    pool: str = Field(
        "default",
        pattern=NAME_PATTERN,
        description="name of the group of workers, alike in all but their name, whose slots are counted together",
    )
    max_task_s: float = Field(
        0.0, ge=0, description="seconds that no attempt on this worker runs longer than; 0: as long as its task says"
    )
    interrupt_grace_s: float = Field(
        5.0, ge=0.1, le=3600, description="seconds a handler has to end after a cancellation or its time limit"
    )
    max_child_bytes: int = Field(
        0, ge=0, description="resident memory at which a child is killed, before the machine kills more; 0: no limit"
    )
    max_tasks_per_child: int = Field(0, ge=0, description="attempts after which a child is replaced; 0: never")
    task_events: bool = Field(
        default=False, description="tell Flower of each message from the start, not once it has found the worker"
    )
