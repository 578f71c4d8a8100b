"""Settings of the API, from the environment."""

from typing import Literal

from pydantic import Field

from taskyard.settings import DatabaseSettings


class ApiSettings(DatabaseSettings):
    """Where the API listens, whom it lets in, and how much it takes on at once."""

    auth: Literal["keys", "none"] = Field("keys", description="`keys`: a request needs one; `none`: anybody may do all")
    auth_none_anywhere: bool = Field(False, description="let `none` listen on an address that others reach, too")
    api_key_fresh_s: float = Field(
        5.0, ge=0, le=300, description="seconds after which a key is looked up again, and so a revoked one is refused"
    )

    api_host: str = Field("127.0.0.1", description="address that the API listens on")
    api_port: int = Field(8000, ge=0, le=65535, description="port that the API listens on")
    api_max_body_bytes: int = Field(1024 * 1024, ge=1024, description="largest request body")
    api_max_batch_bytes: int = Field(8 * 1024 * 1024, ge=1024, description="largest body of POST /tasks/batch")
    api_rate_per_s: float = Field(
        1000.0, ge=0, le=1e6, description="requests a second of a key without a rate of its own; 0: no limit"
    )
    api_max_connections: int = Field(5000, ge=1, description="connections at once")
    api_max_header_bytes: int = Field(32 * 1024, ge=1024, description="largest URL and headers of a request, together")
    api_header_timeout_s: float = Field(10.0, gt=0, le=3600, description="seconds in which a client sends its headers")
    api_body_timeout_s: float = Field(60.0, gt=0, le=3600, description="seconds in which a client then sends its body")
    api_intake_bytes: int = Field(
        256 * 1024 * 1024, ge=1024, description="bytes of bodies that may be held at once, of all requests"
    )
    api_writer_tasks: int = Field(10_000, ge=1, description="submitted tasks that may wait for the writer")
    api_writer_bytes: int = Field(128 * 1024 * 1024, ge=1024, description="bytes of submitted tasks that may wait")
    api_readers: int = Field(4, ge=1, le=64, description="database connections for everything but submissions")
    api_reader_backlog: int = Field(1000, ge=1, description="requests that may wait for those connections")
    api_drain_s: int = Field(
        0, ge=0, description="seconds that it serves on after SIGTERM; three times as long while requests come"
    )
    api_shutdown_s: int = Field(20, ge=1, description="seconds that requests then have to end")
