"""What steers a RabbitMQ node of ours: its configuration files and its environment. Nothing of the system's does."""

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Final

from taskyard.local.ports import LOOPBACK
from taskyard.local.rabbitmq_server import Server

NODE: Final = "taskyard@localhost"
"""What a node of ours is called; no other is in its epmd, so it needs no name of its own."""

_SETTINGS: Final = {
    # Eight days in ms: a message is unacknowledged while its task runs, and a task may run for seven.
    "consumer_timeout": "691200000",
    "vm_memory_high_watermark.absolute": "1GB",
    "disk_free_limit.absolute": "200MB",
    "raft.wal_max_size_bytes": "67108864",
    "log.console": "false",
    "log.file": "rabbitmq.log",
    "log.file.level": "info",
    "log.file.rotation.size": "10485760",
    "log.file.rotation.count": "2",
}
_FILES: Final = {
    "HOME": "",  # where the cookie is
    "RABBITMQ_MNESIA_BASE": "data",
    "RABBITMQ_LOG_BASE": "log",
    "RABBITMQ_CONFIG_FILE": "rabbitmq.conf",
    "RABBITMQ_CONFIG_FILES": "conf.d",
    "RABBITMQ_ADVANCED_CONFIG_FILE": "advanced.config",
    "RABBITMQ_ENABLED_PLUGINS_FILE": "enabled_plugins",
}


def write(directory: Path, ports: Mapping[str, int], settings: Mapping[str, str]) -> None:
    """Write the configuration into `directory`; `settings` are added to ours, or replace them."""
    definitions = directory / "definitions.json"
    definitions.write_text(resources.files("taskyard.local").joinpath("definitions.json").read_text())
    lines = {
        "listeners.tcp.local": f"{LOOPBACK}:{ports['amqp']}",
        "management.tcp.ip": LOOPBACK,
        "management.tcp.port": str(ports["management"]),
        "load_definitions": str(definitions),
        "log.dir": str(directory / "log"),
        **_SETTINGS,
        **settings,
    }
    (directory / "rabbitmq.conf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
    (directory / "enabled_plugins").write_text("[rabbitmq_management].\n")


def environment(directory: Path, ports: Mapping[str, int], server: Server) -> dict[str, str]:
    """Return our environment without what would steer RabbitMQ or Erlang elsewhere, and with all that steers it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
    return {
        **inherited,
        **server.environment,
        **{name: str(directory / file) for name, file in _FILES.items()},
        "LC_ALL": "C.UTF-8",
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_DIST_PORT": str(ports["distribution"]),
        "RABBITMQ_SCHEDULER_BIND_TYPE": "u",  # several nodes bound to the same cores would queue up for them
        # With input allowed the script becomes the node instead of standing before it, where signals and the death
        # of either part the two; -noinput then takes the input away again.
        "RABBITMQ_ALLOW_INPUT": "1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": LOOPBACK,
    }
