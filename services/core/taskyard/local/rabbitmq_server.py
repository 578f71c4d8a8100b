"""Finding a RabbitMQ to run; on Debian and Ubuntu, unpacking the distribution's own without root.

No Python package carries RabbitMQ. The distribution's packages run from any folder once Erlang's start scripts are
told where they are, so they are only unpacked, never installed.
"""

import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from taskyard.local.apt import Apt, unpacked_once
from taskyard.local.errors import LocalRunError

_OLDEST: Final = (3, 10)  # the first with dead-letter-strategy, which the policy of our queues asks for
_ERLANG_ROOT: Final = "TASKYARD_ERLANG_ROOT"
_HOW_TO_GET_ONE: Final = (
    "install RabbitMQ 3.10 or later (its `rabbitmq-server` on PATH is found), or name that script in "
    "TASKYARD_RABBITMQ_SERVER, or use `docker compose up --build` instead"
)


@dataclass(frozen=True, slots=True)
class Server:
    """An installation: its script `rabbitmq-server`, Erlang's `epmd`, and what their environment needs."""

    script: Path
    epmd: Path
    environment: dict[str, str] = field(default_factory=dict)


def find_server(unpacked: Path, say: Callable[[str], None], cancelled: threading.Event) -> Server:
    """Return $TASKYARD_RABBITMQ_SERVER, the system's, or that unpacked in `unpacked`, after unpacking it if need be.

    `say` is told what takes long; `cancelled` ends that early.

    Raises:
        LocalRunError: there is none, and none can be got; the message says what to do. Or it was cancelled.
    """
    if named := os.environ.get("TASKYARD_RABBITMQ_SERVER"):
        if not Path(named).exists():
            raise LocalRunError(f"TASKYARD_RABBITMQ_SERVER is {named}, which does not exist")
        return _installed(Path(named).resolve())
    if script := _newest(Path("/usr/lib/rabbitmq/lib")):
        return _installed(script)
    on_path = shutil.which("rabbitmq-server")
    # Debian's is a wrapper that only root and the user `rabbitmq` may call.
    if on_path and Path(on_path).resolve().name == "rabbitmq-server":
        return _installed(Path(on_path).resolve())
    return _unpacked(_unpack(unpacked, say, cancelled))


def _newest(folder: Path) -> Path | None:
    """Return the script of the newest RabbitMQ in `folder` that is not too old, if there is one."""
    found = []
    for script in folder.glob("rabbitmq_server-*/sbin/rabbitmq-server"):
        version = tuple(int(number) for number in re.findall(r"\d+", script.parent.parent.name))
        if version >= _OLDEST:
            found.append((version, script))
    return max(found)[1] if found else None


def _installed(script: Path) -> Server:
    erlang = shutil.which("erl") or "/usr/lib/erlang/bin/erl"
    beside = [Path(place).with_name("epmd") for place in (erlang, Path(erlang).resolve())]
    beside += sorted(Path(erlang).resolve().parent.parent.glob("erts-*/bin/epmd"))
    for epmd in beside:
        if epmd.exists():
            path = f"{epmd.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
            return Server(script, epmd, {"PATH": path})
    raise LocalRunError(f"{script} is there, but no Erlang to run it with; {_HOW_TO_GET_ONE}")


def _unpacked(root: Path) -> Server:
    script = _newest(root / "usr/lib/rabbitmq/lib")
    erlang = root / "usr/lib/erlang"
    if script is None:
        raise LocalRunError(f"the RabbitMQ in {root} is older than 3.10; {_HOW_TO_GET_ONE}")
    if " " in str(root):
        raise LocalRunError(f"RabbitMQ's scripts do not run from a folder with a space in its path: {root}")
    libraries = os.pathsep.join(str(folder) for folder in sorted(root.glob("**/lib/*-linux-gnu*")))
    return Server(
        script,
        erlang / "bin/epmd",
        {
            _ERLANG_ROOT: str(erlang),
            "PATH": f"{erlang / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            **({"LD_LIBRARY_PATH": libraries} if libraries else {}),
        },
    )


def _unpack(directory: Path, say: Callable[[str], None], cancelled: threading.Event) -> Path:
    """Unpack the distribution's RabbitMQ into `directory`, once, and return its root. Safe to run several at once."""

    def fill(apt: Apt, root: Path) -> None:
        say("RabbitMQ is not installed: reading the distribution's package lists")
        apt.update()
        names = _needed_packages(apt)
        say(f"unpacking RabbitMQ and Erlang ({len(names)} packages, about 35 MB)")
        apt.unpack(names, root)
        _make_relocatable(root)

    try:
        return unpacked_once(directory, fill, cancelled)
    except LocalRunError as error:
        raise LocalRunError(f"cannot unpack RabbitMQ: {error}\n{_HOW_TO_GET_ONE}") from error


def _needed_packages(apt: Apt) -> list[str]:
    """Return RabbitMQ, all of Erlang that it needs, and the libraries for that which this machine has not."""
    # As if nothing were installed: an Erlang of the system must not be mixed with this one.
    everything = apt.would_install(["rabbitmq-server"], on_an_empty_system=True)
    programs = [name for name in everything if name == "rabbitmq-server" or name.startswith("erlang-")]
    if "rabbitmq-server" not in programs:
        raise LocalRunError("apt knows no package rabbitmq-server")
    erlang = [name for name in programs if name != "rabbitmq-server"]
    libraries = [name for name in apt.would_install(erlang) if name.startswith("lib")]
    return [*programs, *libraries]


def _make_relocatable(root: Path) -> None:
    """Have Erlang's start scripts take their root from the environment; they name /usr/lib/erlang otherwise."""
    erlang = root / "usr/lib/erlang"
    for script in {path.resolve() for path in (erlang / "bin/erl", *erlang.glob("erts-*/bin/erl"))}:
        script.write_text(script.read_text().replace("ROOTDIR=/usr/lib/erlang", f'ROOTDIR="${_ERLANG_ROOT}"'))
