"""Programs of the distribution, fetched and unpacked by apt without root and without installing them."""

import fcntl
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TextIO

from taskyard.local import spawning
from taskyard.local.errors import LocalRunError

_STEP_S: Final = 600.0
_LOOK_S: Final = 0.2


class Apt:
    """apt with lists and a cache of its own, so that it needs neither root nor anybody's `apt-get update`.

    `directory` is its own; what it says is added to `log`; `cancelled` ends its steps early, by a LocalRunError.
    """

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

    def would_install(self, names: Sequence[str], *, on_an_empty_system: bool = False) -> list[str]:
        """Return the packages that installing `names` would bring here; none where apt cannot, and the log says why."""
        options = ["-oDir::State::status=/dev/null"] if on_an_empty_system else []
        command = ["apt-get", *self._options, *options, "install", "--simulate", "--no-install-recommends", *names]
        environment = {**os.environ, "LC_ALL": "C"}
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
        if answer.returncode != 0:
            with self._log.open("a") as log:
                log.write(answer.stderr)
            return []
        return [line.split()[1] for line in answer.stdout.splitlines() if line.startswith("Inst ")]

    def unpack(self, names: Sequence[str], root: Path) -> None:
        """Fetch the packages and unpack them under `root`.

        Raises:
            LocalRunError: one could not be fetched or unpacked.
        """
        packages = self._directory / "packages"
        self._run(["apt-get", *self._options, "download", "-qq", *names], "apt-get download", cwd=packages)
        for package in sorted(packages.glob("*.deb")):
            self._run(["dpkg", "-x", str(package), str(root)], f"dpkg -x {package.name}")

    def _run(self, command: list[str], what: str, *, may_fail: bool = False, cwd: Path | None = None) -> None:
        environment = {**os.environ, "LC_ALL": "C"}
        process = spawning.spawn(
            command, environment=environment, log=self._log, farewell=signal.SIGKILL, cwd=cwd or self._directory
        )
        spawning.finish(process, what, self._log, _STEP_S, self._cancelled, may_fail=may_fail)


def unpacked_once(directory: Path, fill: Callable[[Apt, Path], None], cancelled: threading.Event) -> Path:
    """Return the folder `root` of `directory`, which `fill` filled, now or before. Safe to run several at once.

    What apt said is in `directory`/unpack.log.

    Raises:
        LocalRunError: this is no Debian or Ubuntu, or `fill` failed, or it was cancelled.
    """
    root = directory / "root"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        _wait_for(lock, cancelled)
        if root.exists():
            return root
        if not all(shutil.which(tool) for tool in ("apt-get", "dpkg")):
            raise LocalRunError("no apt-get on this machine")
        unfinished = directory / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        (unfinished / "root").mkdir(parents=True)
        fill(Apt(unfinished, directory / "unpack.log", cancelled), unfinished / "root")
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
                raise LocalRunError("stopped while another run was unpacking") from None
        else:
            return
