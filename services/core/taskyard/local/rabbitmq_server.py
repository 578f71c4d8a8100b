"""Finding a RabbitMQ to run; on Debian and Ubuntu, unpacking the distribution's own without root.

No Python package carries RabbitMQ. The distribution's packages run from any folder once Erlang's start scripts are
told where they are, so they are only unpacked, never installed.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from taskyard.local import spawning
from taskyard.local.errors import LocalRunError

_OLDEST: Final = (3, 10)  # the first with dead-letter-strategy, which the policy of our queues asks for
_ERLANG_ROOT: Final = "TASKYARD_ERLANG_ROOT"
_STEP_S: Final = 600.0
_LOOK_S: Final = 0.2
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
    root = directory / "root"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        _wait_for(lock, cancelled)
        if root.exists():
            return root
        if not all(shutil.which(tool) for tool in ("apt-get", "dpkg")):
            raise LocalRunError(f"there is no RabbitMQ on this machine, and no apt-get to get one: {_HOW_TO_GET_ONE}")
        unfinished = directory / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        (unfinished / "root").mkdir(parents=True)
        apt = _Apt(unfinished, directory / "unpack.log", cancelled)
        say("RabbitMQ is not installed: reading the distribution's package lists")
        apt.update()
        names = apt.needed_packages()
        say(f"unpacking RabbitMQ and Erlang ({len(names)} packages, about 35 MB)")
        apt.unpack(names, unfinished / "root")
        _make_relocatable(unfinished / "root")
        (unfinished / "root").rename(root)
        shutil.rmtree(unfinished)
    return root


def _wait_for(lock: TextIO, cancelled: threading.Event) -> None:
    """Take the lock, after whoever unpacks just now."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if cancelled.wait(_LOOK_S):
                raise LocalRunError("stopped while RabbitMQ was unpacked") from None
        else:
            return


class _Apt:
    """apt with lists and a cache of its own, so that it needs neither root nor anybody's `apt-get update`."""

    def __init__(self, directory: Path, log: Path, cancelled: threading.Event) -> None:
        self._directory = directory
        self._log = log
        self._cancelled = cancelled
        for folder in ("lists/partial", "cache/archives/partial", "packages"):
            (directory / folder).mkdir(parents=True)
        self._options = [
            f"-oDir::State::lists={directory / 'lists'}",
            f"-oDir::Cache={directory / 'cache'}",
            "-oAcquire::Retries=3",
            "-oAcquire::Languages=none",
        ]
        if os.geteuid() == 0:
            # apt gives up root for downloads, for a user who cannot enter a folder in root's home. What it got is
            # checked against the archive's signature all the same.
            self._options.append("-oAPT::Sandbox::User=root")

    def update(self) -> None:
        """Fetch the package lists. A source that fails is no failure: the next step tells whether it mattered."""
        self._run(["apt-get", *self._options, "update", "-qq"], "apt-get update", may_fail=True)

    def needed_packages(self) -> list[str]:
        """Return RabbitMQ, all of Erlang that it needs, and the libraries for that which this machine has not.

        Raises:
            LocalRunError: the distribution has no RabbitMQ, or could not be asked.
        """
        # As if nothing were installed: an Erlang of the system must not be mixed with this one.
        everything = self._would_install(["-oDir::State::status=/dev/null"], ["rabbitmq-server"])
        programs = [name for name in everything if name == "rabbitmq-server" or name.startswith("erlang-")]
        if "rabbitmq-server" not in programs:
            raise LocalRunError(f"apt knows no package rabbitmq-server: {_HOW_TO_GET_ONE}\n{spawning.tail(self._log)}")
        erlang = [name for name in programs if name != "rabbitmq-server"]
        libraries = [name for name in self._would_install([], erlang) if name.startswith("lib")]
        return [*programs, *libraries]

    def unpack(self, names: Sequence[str], root: Path) -> None:
        """Fetch the packages and unpack them under `root`.

        Raises:
            LocalRunError: one could not be fetched or unpacked.
        """
        packages = self._directory / "packages"
        self._run(["apt-get", *self._options, "download", "-qq", *names], "apt-get download", cwd=packages)
        for package in sorted(packages.glob("*.deb")):
            self._run(["dpkg", "-x", str(package), str(root)], f"dpkg -x {package.name}")

    def _would_install(self, options: Sequence[str], names: Sequence[str]) -> list[str]:
        command = ["apt-get", *self._options, *options, "install", "--simulate", "--no-install-recommends", *names]
        environment = {**os.environ, "LC_ALL": "C"}
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
        if answer.returncode != 0:
            with self._log.open("a") as log:
                log.write(answer.stderr)
            return []
        return [line.split()[1] for line in answer.stdout.splitlines() if line.startswith("Inst ")]

    def _run(self, command: list[str], what: str, *, may_fail: bool = False, cwd: Path | None = None) -> None:
        environment = {**os.environ, "LC_ALL": "C"}
        process = spawning.spawn(
            command, environment=environment, log=self._log, farewell=signal.SIGKILL, cwd=cwd or self._directory
        )
        spawning.finish(process, what, self._log, _STEP_S, self._cancelled, may_fail=may_fail)


def _make_relocatable(root: Path) -> None:
    """Have Erlang's start scripts take their root from the environment; they name /usr/lib/erlang otherwise."""
    erlang = root / "usr/lib/erlang"
    for script in {path.resolve() for path in (erlang / "bin/erl", *erlang.glob("erts-*/bin/erl"))}:
        script.write_text(script.read_text().replace("ROOTDIR=/usr/lib/erlang", f'ROOTDIR="${_ERLANG_ROOT}"'))
