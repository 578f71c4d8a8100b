"""From what a client sent to what the record takes: defaults of the kind, checks, and the fingerprint of a request."""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import orjson

from taskyard.documents import check
from taskyard.errors import Fault, InvalidError
from taskyard.statements.submission import NewTask
from taskyard_api.catalogue import Catalogue, CheckedKind
from taskyard_api.readers import Readers
from taskyard_api.schemas import TaskSubmission

T = TypeVar("T")

_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
_LONG_BYTES: Final = 32 * 1024


class Checker:
    """Checks submissions against the catalogue; long ones in a thread, so that nobody waits for them."""

    def __init__(self, catalogue: Catalogue, readers: Readers, max_task_bytes: int) -> None:
        self._catalogue = catalogue
        self._readers = readers
        self._max_task_bytes = max_task_bytes

    async def complete(
        self, submission: TaskSubmission, size_bytes: int, field: str = "", key: str | None = None
    ) -> NewTask:
        """Return the task to record; `field` is the path of `submission` in the request, with a dot at its end.

        Raises:
            InvalidError: the kind or queue is unknown, or the payload breaks a rule.
        """
        kind = await self._catalogue.kind(submission.kind, f"{field}kind")
        if submission.queue is not None:
            await self._catalogue.check_queue(submission.queue, f"{field}queue")
        await self.check_payload(kind, submission.payload, size_bytes, f"{field}payload")
        entry = kind.entry
        return NewTask(
            name=submission.name,
            kind=submission.kind,
            queue=submission.queue or entry.queue,
            priority=submission.priority,
            max_attempts=submission.max_attempts or entry.max_attempts,
            timeout_s=submission.timeout_s or entry.timeout_s,
            tags=tuple(submission.tags),
            payload=submission.payload,
            run_at=submission.run_at,
            delay_s=submission.delay_s,
            idempotency_key=key,
            request_hash=fingerprint(submission) if key is not None else None,
        )

    async def check_payload(self, kind: CheckedKind, payload: dict[str, Any], size_bytes: int, field: str) -> None:
        """Raise `InvalidError` where `payload` cannot be stored or does not fit its kind."""

        def judge() -> None:
            check(payload, field)
            kind.check(payload, field)

        await self._in_good_place(judge, size_bytes)

    def check_sizes(self, tasks: Sequence[NewTask], size_bytes: int) -> None:
        """Raise `InvalidError` where one task of a batch of `size_bytes` is larger than it could be alone."""
        if size_bytes <= self._max_task_bytes:
            return
        for index, task in enumerate(tasks):
            if (size := len(orjson.dumps(task.payload))) > self._max_task_bytes:
                raise InvalidError(
                    Fault(f"tasks[{index}].payload", f"has {size} bytes; the limit is {self._max_task_bytes}")
                )

    async def _in_good_place(self, work: Callable[[], T], size_bytes: int) -> T:
        return work() if size_bytes < _LONG_BYTES else await self._readers.compute(work)


def idempotency_key(header: str | None) -> str | None:
    """Return the key of the header Idempotency-Key.

    Raises:
        InvalidError: it is empty, longer than 200 characters, or not printable ASCII.
    """
    if header is not None and not _KEY.fullmatch(header):
        raise InvalidError(Fault("Idempotency-Key", "must be 1 to 200 printable ASCII characters without spaces"))
    return header


def fingerprint(submission: TaskSubmission) -> str:
    """Return the SHA-256 (hex) of what a submission says; order and defaults left out do not count."""
    document = submission.model_dump(mode="json")
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
