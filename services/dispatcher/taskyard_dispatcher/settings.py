"""Settings of the dispatcher, from the environment."""

from pydantic import Field

from taskyard.settings import AttemptSettings


class DispatcherSettings(AttemptSettings):
    """How eagerly tasks are moved, and how long they are kept."""

    dispatch_window: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="tasks per queue in RabbitMQ at most; at least twice all slots of its workers",
    )
    dispatch_batch: int = Field(250, ge=1, le=5000, description="tasks published and confirmed at once")
    message_tasks: int = Field(
        100, ge=1, le=1000, description="short tasks that share a message where many wait, at most; 1: each goes alone"
    )
    poll_s: float = Field(0.5, ge=0.01, le=60, description="seconds between looks for work when nothing wakes it")
    confirm_timeout_s: float = Field(5.0, ge=0.1, le=60, description="seconds RabbitMQ has to confirm a batch")
    settle_s: float = Field(
        5.0,
        ge=0.1,
        le=600,
        description="seconds after which a dispatched task must be seen in RabbitMQ or is sent again",
    )
    canary_s: float = Field(
        0.0,
        ge=0,
        le=24 * 3600,
        description="seconds between two canaries, tasks that do nothing, through each queue that has workers; 0: none",
    )
    retention_s: float = Field(30 * 24 * 3600.0, ge=0, description="seconds that finished tasks are kept; 0: for ever")
    consistency_rows_per_s: float = Field(
        5000.0,
        ge=0,
        le=1_000_000,
        description="tasks a second that the consistency check looks at, at most; 0: no such check",
    )
    consistency_pass_s: float = Field(
        60.0,
        ge=0.1,
        le=7 * 24 * 3600,
        description="seconds from the beginning of one pass of the consistency check to the next, at least",
    )
