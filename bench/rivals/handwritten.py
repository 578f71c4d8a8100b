"""The pattern as it is written by hand: a row, a commit, then `.delay()`; the worker brings the row up to date.

python -m bench.rivals.handwritten serve PORT
celery -A bench.rivals.handwritten:celery worker --concurrency 2 --loglevel WARNING
python -m bench.rivals.handwritten fill COUNT    stores and publishes so many tasks

HANDWRITTEN_ACK is `early`, Celery's default (classic queue, acknowledged before the task runs: a worker that is killed
loses what it holds), or `late` (quorum queue, confirmed publishes, acknowledged after it ran).
"""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from celery import Celery
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import DateTime, create_engine, func, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from bench.rivals.serving import serve

LATE = os.environ["HANDWRITTEN_ACK"] == "late"
QUEUE = f"handwritten-{'late' if LATE else 'early'}"
_THREADS = 40
"""Of FastAPI, which run its endpoints; each may need a connection."""

engine = create_engine(os.environ["DATABASE_URL"], pool_size=_THREADS // 2, max_overflow=_THREADS // 2)
sessions = sessionmaker(engine, expire_on_commit=False)

celery = Celery("handwritten", broker=os.environ["CELERY_BROKER_URL"])
celery.conf.update(task_default_queue=QUEUE, task_ignore_result=True, broker_connection_retry_on_startup=True)
if LATE:
    celery.conf.update(
        task_default_queue_type="quorum",
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        broker_transport_options={"confirm_publish": True},
    )


class Base(DeclarativeBase):
    """The tables."""


class Task(Base):
    """One piece of work."""

    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    name: Mapped[str]
    kind: Mapped[str]
    priority: Mapped[int]
    status: Mapped[str] = mapped_column(default="queued", index=True)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error: Mapped[str | None]


class Submission(BaseModel):
    """What clients send."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: str = "data.process"
    payload: dict[str, Any] = Field(default_factory=dict)
    priority: Annotated[int, Field(ge=0, le=9)] = 4


class Shown(BaseModel):
    """What clients get."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    name: str
    kind: str
    priority: int
    status: Literal["queued", "running", "succeeded", "failed"]
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: str | None


@asynccontextmanager
async def tables(_: FastAPI) -> AsyncIterator[None]:
    """Make the tables before the first request."""
    Base.metadata.create_all(engine)
    yield


app = FastAPI(lifespan=tables)


def session_of_request() -> Iterator[Session]:
    """Give a request a session of its own."""
    with sessions() as session:
        yield session


RequestSession = Annotated[Session, Depends(session_of_request)]


@app.post("/tasks", status_code=201, response_model=Shown)
def submit(submission: Submission, session: RequestSession) -> Task:
    """Store a task, then publish it: a crash between the two loses it."""
    task = Task(**submission.model_dump())
    session.add(task)
    session.commit()
    process.delay(task.id)
    return task


@app.get("/tasks", response_model=list[Shown])
def page(session: RequestSession, limit: Annotated[int, Field(ge=1, le=200)] = 50) -> list[Task]:
    """Show the newest tasks."""
    return list(session.scalars(select(Task).order_by(Task.id.desc()).limit(limit)))


@app.get("/tasks/{task_id}", response_model=Shown)
def show(task_id: int, session: RequestSession) -> Task:
    """Show one task."""
    task = session.get(Task, task_id)
    if task is None:
        raise HTTPException(404)
    return task


@app.get("/readyz")
def ready() -> dict[str, str]:
    """Say that it serves."""
    return {"status": "ready"}


@celery.task(name="process")  # type: ignore[untyped-decorator]  # celery carries no types
def process(task_id: int) -> None:
    """Do a task of the table, and say in the table what became of it."""
    with sessions() as session:
        task = session.get_one(Task, task_id)
        task.status = "running"
        task.started_at = datetime.now(UTC)
        session.commit()
        try:
            task.result = perform(task.kind, task.payload)
            task.status = "succeeded"
        except Exception as error:  # noqa: BLE001 - whatever the work raises is the task's own
            task.error = str(error)
            task.status = "failed"
        task.finished_at = datetime.now(UTC)
        session.commit()


def perform(kind: str, payload: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - nothing is what is measured
    """Do nothing."""
    return {}


def fill(count: int) -> None:
    """Store and publish so many tasks, for a worker that comes later."""
    Base.metadata.create_all(engine)
    rows = [{"name": "bench", "kind": "sleep", "priority": 4, "payload": {}}] * count
    with sessions() as session:
        ids = list(session.scalars(insert(Task).returning(Task.id), rows))
        session.commit()
    for task_id in ids:
        process.delay(task_id)


if __name__ == "__main__":
    {"serve": lambda number: serve(app, number), "fill": fill}[sys.argv[1]](int(sys.argv[2]))
