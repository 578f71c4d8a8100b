"""A FastAPI POST that checks a body like Taskyard's and answers 201: what is left for a front door that does anything.

python -m bench.rivals.empty PORT
"""

import sys
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from bench.rivals.serving import serve

app = FastAPI(openapi_url=None)


class Submission(BaseModel):
    """The fields of a task, with the bounds that pydantic checks by itself."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")] = "data.process"
    payload: dict[str, Any] = Field(default_factory=dict)
    queue: str | None = None
    priority: Annotated[int, Field(ge=0, le=9)] = 4
    max_attempts: Annotated[int, Field(ge=1)] | None = None
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    run_at: datetime | None = None
    delay_s: Annotated[float, Field(ge=0)] | None = None
    tags: Annotated[list[str], Field(max_length=20)] = Field(default_factory=list)


@app.post("/tasks", status_code=201)
async def submit(submission: Submission) -> dict[str, Any]:
    """Take a task and forget it."""
    return {"id": 1, "name": submission.name, "kind": submission.kind, "status": "queued"}


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Say that it serves."""
    return {"status": "ready"}


if __name__ == "__main__":
    serve(app, int(sys.argv[1]))
