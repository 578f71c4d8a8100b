"""Flower, told what it needs to know: the broker, and the Celery settings that the workers use.

A process of its own, configured by the same environment as the parts. It shows; it never decides.
"""

import sys
from typing import Final

from pydantic import Field, SecretStr

from taskyard import logs
from taskyard.broker import celery_app
from taskyard.explaining import settings_for
from taskyard.listening import is_loopback
from taskyard.settings import BrokerSettings

_OPEN_TO_ALL: Final = """taskyard-flower: without a password whoever reaches {host} sees workers and what they run.
Set one (TASKYARD_FLOWER_BASIC_AUTH=user:password), or listen on 127.0.0.1 (TASKYARD_FLOWER_HOST), or, where something
else keeps strangers out, say so by TASKYARD_FLOWER_AUTH_NONE_ANYWHERE=true."""


class FlowerSettings(BrokerSettings):
    """Where Flower listens, and how it asks RabbitMQ."""

    database_url: SecretStr = Field(SecretStr(""), validation_alias="DATABASE_URL", description="not used")
    flower_host: str = Field("127.0.0.1", description="address that Flower listens on")
    flower_port: int = Field(5555, ge=1, le=65535, description="port that Flower listens on")
    flower_broker_api: SecretStr = Field(
        SecretStr(""), description="RabbitMQ's management API, http://user:password@host:15672/api/"
    )
    flower_basic_auth: SecretStr = Field(SecretStr(""), description="user:password that Flower asks for; empty: none")
    flower_auth_none_anywhere: bool = Field(
        False, description="ask for no password even on an address that others reach, too"
    )


def main() -> None:
    """Run Flower until it is told to stop.

    It refuses to listen where others than this machine reach it without asking for a password, unless it is told to.
    """
    settings = settings_for("taskyard-flower", FlowerSettings)
    open_to_all = not (settings.flower_basic_auth.get_secret_value() or settings.flower_auth_none_anywhere)
    if open_to_all and not is_loopback(settings.flower_host):
        sys.stderr.write(_OPEN_TO_ALL.format(host=settings.flower_host) + "\n")
        raise SystemExit(2)
    logs.configure(settings, "flower")
    app = celery_app(settings.broker_url.get_secret_value(), ["default"])
    options = [f"--address={settings.flower_host}", f"--port={settings.flower_port}", "--read_only=True"]
    if broker_api := settings.flower_broker_api.get_secret_value():
        options.append(f"--broker_api={broker_api}")
    if basic_auth := settings.flower_basic_auth.get_secret_value():
        options.append(f"--basic_auth={basic_auth}")
    sys.argv[0] = "celery"
    app.start(["flower", *options])
