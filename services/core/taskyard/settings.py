"""Settings that more than one part reads, from the environment. Each part adds its own in its own package."""

import re
from typing import Annotated, Final, Literal

import psycopg2
from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from taskyard.database import read_url

WordList = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list in the environment; a field of this type needs `split_words` as its validator."""


def split_words(value: object) -> object:
    """Turn "a, b" into ("a", "b"); anything else is left for pydantic to judge."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return value


_DRIVER: Final = "postgresql+psycopg2://"
_ESCAPED: Final = "write @, :, /, ? and # in a name or a password as %40, %3A, %2F, %3F and %23"


def with_driver(url: object) -> object:
    """Name the driver in the URL of a PostgreSQL, which others write without one, or short.

    Raises:
        ValueError: that is the URL of something else, or none.
    """
    if not isinstance(url, str) or not url:
        return url
    renamed, found = re.subn(r"^postgres(ql(\+psycopg2)?)?://", _DRIVER, url)
    if not found:
        raise ValueError("must begin with postgresql://")
    try:
        read_url(renamed)
    except psycopg2.ProgrammingError:  # its words may show the password
        raise ValueError("must be like postgresql://user:password@host:5432/database; " + _ESCAPED) from None
    return renamed


class ProcessSettings(BaseSettings):
    """What every process has: how it logs, and how it shows its metrics and its health."""

    # What is wrong with a setting is said without its value: URLs hold passwords.
    model_config = SettingsConfigDict(
        env_prefix="TASKYARD_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severity that is logged")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto`: readable on a terminal, JSON elsewhere"
    )
    metrics_host: str = Field("127.0.0.1", description="address of the metrics port; 0.0.0.0 in a container")
    metrics_port: int = Field(0, ge=0, le=65535, description="port of /metrics; 0: no metrics are served")
    stall_s: float = Field(
        30.0, ge=0.1, le=3600, description="seconds a loop may take for one turn before /livez answers 503"
    )


class DatabaseSettings(ProcessSettings):
    """Where the record is."""

    database_url: Annotated[SecretStr, BeforeValidator(with_driver)] = Field(
        validation_alias="DATABASE_URL", description="postgresql://user:password@host:5432/taskyard"
    )


class MigrationSettings(DatabaseSettings):
    """What `taskyard migrate` brings besides the tables."""

    first_key: SecretStr = Field(SecretStr(""), description="an API key with the scope admin, to be recorded")


class BrokerSettings(DatabaseSettings):
    """Where the buffer is, for the parts that talk to it."""

    broker_url: SecretStr = Field(
        validation_alias="CELERY_BROKER_URL", description="amqp://user:password@host:5672/; several with ;"
    )


class AttemptSettings(BrokerSettings):
    """What the parts that begin and end attempts must agree on."""

    lease_s: float = Field(
        30.0, ge=1, le=3600, description="seconds a worker may be silent before its attempts are lost"
    )
    max_losses: int = Field(3, ge=1, le=100, description="lost workers after which a task is given up")
