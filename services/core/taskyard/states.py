"""The life of a task: its statuses, the moves between them, and nothing else.

    scheduled ◀──edit── queued ◀──────────────── a person retries ────────────────┐
        │                ▲  │                                                      │
        └──────due───────┘  ├──claim──▶ running ──▶ succeeded                      │
                         ▲  │            │  ├─────▶ failed ────────────────────────┤
                         │  └──undeliverable───────▶ failed                        │
                         └──due── retrying ◀┘  └──▶ cancelled ─────────────────────┘

    scheduled, queued and retrying may be cancelled too.

Each UPDATE that changes a status names the statuses it may start from, so a move that is not drawn here changes no
row; a state machine in the tests holds the statements to this table.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a task is. The values are the ones that users see in JSON and in the table."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why an attempt, or the whole task, ended other than by success."""

    ERROR = "error"
    TIMEOUT = "timeout"
    WORKER_LOST = "worker_lost"
    CANCELLED = "cancelled"
    DISCARDED = "discarded"
    INVALID_PAYLOAD = "invalid_payload"
    INVALID_RESULT = "invalid_result"
    UNKNOWN_KIND = "unknown_kind"
    UNDELIVERABLE = "undeliverable"


MEANING: Final[Mapping[Status, str]] = {
    Status.SCHEDULED: "is not due yet; nothing but its row exists",
    Status.QUEUED: "is due and waits for a worker, in PostgreSQL or in RabbitMQ",
    Status.RUNNING: "a worker holds its lease",
    Status.RETRYING: "an attempt failed, or was given back before it began; waits until its next one is due",
    Status.SUCCEEDED: "its handler returned; the result is recorded",
    Status.FAILED: "will not be tried again by itself; `reason` says why",
    Status.CANCELLED: "was cancelled before it could succeed",
}

MOVES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.SCHEDULED: frozenset({Status.QUEUED, Status.CANCELLED}),
    Status.QUEUED: frozenset({Status.RUNNING, Status.SCHEDULED, Status.CANCELLED, Status.FAILED}),
    Status.RUNNING: frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.RETRYING}),
    Status.RETRYING: frozenset({Status.QUEUED, Status.CANCELLED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset({Status.QUEUED}),  # a person retries it
    Status.CANCELLED: frozenset({Status.QUEUED}),
}

FINAL: Final = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
WAITING: Final = frozenset({Status.SCHEDULED, Status.QUEUED, Status.RETRYING})
