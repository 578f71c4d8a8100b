"""Flower, told what it needs to know: the broker, and the Celery settings that the workers use.

A process of its own, configured by the same environment as the parts. It shows; it never decides.
"""

import sys

from pydantic import Field, SecretStr

from taskyard import logs
from taskyard.broker import celery_app
from taskyard.settings import BrokerSettings


class FlowerSettings(BrokerSettings):
    """Where Flower listens, and how it asks RabbitMQ."""

    database_url: SecretStr = Field(SecretStr(""), validation_alias="DATABASE_URL", description="not used")
    flower_host: str = Field("127.0.0.1", description="address that Flower listens on")
    flower_port: int = Field(5555, ge=1, le=65535, description="port that Flower listens on")
    flower_broker_api: SecretStr = Field(
        SecretStr(""), description="RabbitMQ's management API, http://user:password@host:15672/api/"
    )
    flower_basic_auth: SecretStr = Field(SecretStr(""), description="user:password that Flower asks for; empty: none")


def main() -> None:
    """Run Flower until it is told to stop."""
    settings = FlowerSettings()
    logs.configure(settings, "flower")
    app = celery_app(settings.broker_url.get_secret_value(), ["default"])
    options = [f"--address={settings.flower_host}", f"--port={settings.flower_port}", "--read_only=True"]
    if broker_api := settings.flower_broker_api.get_secret_value():
        options.append(f"--broker_api={broker_api}")
    if basic_auth := settings.flower_basic_auth.get_secret_value():
        options.append(f"--basic_auth={basic_auth}")
    sys.argv[0] = "celery"
    app.start(["flower", *options])
