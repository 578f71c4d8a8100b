"""What clients send, and what they get that is no row of the record. The words are the columns' names."""

import re
from datetime import UTC
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    model_validator,
)
from pydantic_core import PydanticCustomError

from taskyard.documents import text_fault
from taskyard.handlers import MAX_ATTEMPTS, MAX_TIMEOUT_S, NAME_PATTERN
from taskyard.statements.audit import Entry
from taskyard.statements.consistency import Rule
from taskyard.statements.kinds import CataloguedKind
from taskyard.statements.passes import Pass, Violation
from taskyard.statements.queues import Queue
from taskyard.statements.reading import Attempt, Task, TaskSummary

DEFAULT_KIND: Final = "data.process"
DEFAULT_PRIORITY: Final = 4
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]", re.ASCII)
MAX_BATCH: Final = 1000
MAX_DELAY_S: Final = 10 * 366 * 24 * 3600.0


def _storable(text: str) -> str:
    if fault := text_fault(text, "text"):
        raise PydanticCustomError("storable", "{message}", {"message": fault.message})
    return text


def _written_out(value: object) -> object:
    """Refuse a bare number, which pydantic would take for seconds since 1970: it tells nobody which it is."""
    if not isinstance(value, str) or not _DATE.match(value):
        raise PydanticCustomError("date", "must be a date and time with its zone, such as 2026-05-01T08:00:00Z")
    return value


def _aware(value: AwareDatetime) -> AwareDatetime:
    if not 1 < value.year < 9999:  # noqa: PLR2004 - beyond, a change of time zone leaves the calendar
        raise PydanticCustomError("year", "must be a date of the years 2 to 9998")
    return value.astimezone(UTC)  # PostgreSQL takes no time zone beyond 16 hours


Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Text, Field(min_length=1, max_length=200, description="what people call it")]
Tag = Annotated[Text, Field(min_length=1, max_length=128)]
Tags = Annotated[list[Tag], Field(max_length=20, description="words to find it by")]
Priority = Annotated[int, Field(ge=0, le=9, strict=True, description="0 to 9; higher goes first")]
Word = Annotated[str, Field(pattern=NAME_PATTERN)]
RunAt = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_aware)]
DelayS = Annotated[FiniteFloat, Field(ge=0, le=MAX_DELAY_S)]
TimeoutS = Annotated[FiniteFloat, Field(gt=0, le=MAX_TIMEOUT_S)]
MaxAttempts = Annotated[int, Field(ge=1, le=MAX_ATTEMPTS, strict=True)]


class _Timed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    run_at: RunAt | None = Field(None, description="when it is due, with its time zone; default: now")
    delay_s: DelayS | None = Field(None, description="in how many seconds it is due, instead of `run_at`")

    @model_validator(mode="after")
    def _one_time(self) -> "_Timed":
        if self.run_at is not None and self.delay_s is not None:
            raise PydanticCustomError("times", "give either run_at or delay_s, not both")
        return self


class TaskSubmission(_Timed):
    """A task to be done. Only `name` is needed; the rest has the kind's defaults."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "Process Data"},
                {
                    "name": "Sales of May",
                    "kind": "data.process",
                    "payload": {"csv": "city,sales\nOslo,3\nRome,5\n"},
                    "priority": 7,
                    "tags": ["sales", "2026-05"],
                },
            ]
        },
    )

    name: Name
    kind: Word = Field(DEFAULT_KIND, description="what is to be done, a name of GET /kinds")
    payload: dict[str, Any] = Field(default_factory=dict, description="what the kind takes, by its JSON Schema")
    queue: Word | None = Field(None, description="where it waits; default: the kind's queue")
    priority: Priority = DEFAULT_PRIORITY
    max_attempts: MaxAttempts | None = Field(None, description="how often it is tried; default: the kind's")
    timeout_s: TimeoutS | None = Field(None, description="seconds that one attempt may take; default: the kind's")
    tags: Tags = Field(default_factory=list)


class BatchSubmission(BaseModel):
    """Tasks to be recorded together: all of them, or, where one breaks a rule, none."""

    model_config = ConfigDict(extra="forbid")

    tasks: list[TaskSubmission] = Field(min_length=1, max_length=MAX_BATCH)


class TaskChange(_Timed):
    """What is to change of a task; what is not named stays. `name` and `tags` always, the rest while it waits."""

    name: Name | None = None
    tags: Tags | None = None
    payload: dict[str, Any] | None = None
    queue: Word | None = None
    priority: Priority | None = None
    max_attempts: MaxAttempts | None = None
    timeout_s: TimeoutS | None = None

    @model_validator(mode="after")
    def _no_nulls(self) -> "TaskChange":
        if nulls := sorted(field for field in self.model_fields_set if getattr(self, field) is None):
            raise PydanticCustomError(
                "nulls", "{fields} cannot be null; leave out what is to stay", {"fields": ", ".join(nulls)}
            )
        return self


class QueueChange(BaseModel):
    """What is to change of a queue; what is not named stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"paused": True}]})

    paused: bool | None = Field(None, strict=True, description="true: start none of its tasks; false: go on")
    dispatch_window: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        strict=True,
        description="tasks of it in RabbitMQ at most; null: the dispatcher's default",
    )

    @model_validator(mode="after")
    def _no_null(self) -> "QueueChange":
        if "paused" in self.model_fields_set and self.paused is None:
            raise PydanticCustomError("nulls", "paused cannot be null; leave it out where it is to stay")
        return self


class TaskWithAttempts(Task):
    """A task with its attempts, where they were asked for."""

    attempts: list[Attempt]


class Batch(BaseModel):
    """The tasks of a batch, in its order."""

    tasks: list[Task]


class TaskPage(BaseModel):
    """Tasks, newest first, without their documents.

    `next_cursor` is null at the end. A page may be short, even empty, and still have a next one: each looks at a
    bounded number of tasks.
    """

    tasks: list[TaskSummary]
    next_cursor: str | None


class AuditPage(BaseModel):
    """What was done, newest first. `next_cursor` is as with tasks."""

    entries: list[Entry]
    next_cursor: str | None


class ConsistencyRule(BaseModel):
    """What must hold of the record: what it means where it does not, and what is then done; null: a person has to."""

    name: Rule
    meaning: str
    mending: str | None


class Consistency(BaseModel):
    """What is checked, and what was found; violations newest first. A pass is null where there is none."""

    rules: list[ConsistencyRule]
    last_pass: Pass | None
    running_pass: Pass | None
    violations: list[Violation]


class Attempts(BaseModel):
    """The attempts of a task, oldest first; the one that runs has no outcome yet."""

    attempts: list[Attempt]


class Kinds(BaseModel):
    """All kinds that workers have announced."""

    kinds: list[CataloguedKind]


class Queues(BaseModel):
    """All queues with their counters."""

    queues: list[Queue]


class Health(BaseModel):
    """Whether the process lives, or can serve."""

    status: str = Field(examples=["ok"])
