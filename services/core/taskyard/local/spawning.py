"""Starting and ending the processes of a local run so that none is left behind.

Each is the leader of a session of its own, so that Ctrl-C on the terminal reaches only who started it, and asks the
kernel to be signalled when that one dies, however it dies.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from taskyard.local.errors import LocalRunError

_PR_SET_PDEATHSIG: Final = 1
_POLL_S: Final = 0.05
_GONE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a process runs as, where that is not whoever starts it."""

    uid: int
    gid: int


def spawn(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    log: Path,
    account: Account | None = None,
    farewell: signal.Signals = signal.SIGTERM,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` with its output added to `log`, and exactly `environment`.

    On Linux it gets `farewell` when the calling *thread* ends, be it with the whole process by SIGKILL: call this
    from a thread that outlives the command.

    Raises:
        LocalRunError: it cannot be started.
    """
    with log.open("ab") as output:
        try:
            return subprocess.Popen(  # noqa: S603 - the commands are ours
                [str(word) for word in command],
                env=dict(environment),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                preexec_fn=_die_with_parent(farewell),  # noqa: PLW1509 - one system call, bound before the fork
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise LocalRunError(f"cannot start {command[0]}: {error}") from error


def finish(
    process: subprocess.Popen[bytes],
    what: str,
    log: Path,
    limit_s: float,
    cancelled: threading.Event | None = None,
    *,
    may_fail: bool = False,
) -> None:
    """Wait for a command that ends by itself; it is killed where it has not within `limit_s`, or when `cancelled`.

    Raises:
        LocalRunError: it failed, unless that it `may_fail`, or was killed; the message has the end of its log.
    """
    stop = cancelled or threading.Event()
    deadline = time.monotonic() + limit_s
    while process.poll() is None:
        if stop.wait(_POLL_S) or time.monotonic() > deadline:
            kill(process)
            why = "was stopped" if stop.is_set() else f"took longer than {limit_s:.0f} s"
            raise LocalRunError(f"{what} {why}:\n{tail(log)}")
    if process.returncode != 0 and not may_fail:
        raise LocalRunError(f"{what} failed ({describe(process.returncode)}):\n{tail(log)}")


def await_ready(
    process: subprocess.Popen[bytes], ready: Callable[[], bool], what: str, log: Path, limit_s: float
) -> None:
    """Wait until `ready()` is true; the process is killed where it is not within `limit_s`.

    Raises:
        LocalRunError: the process ended, or was not ready in time; the message has the end of its log.
    """
    pause = threading.Event()
    deadline = time.monotonic() + limit_s
    while not ready():
        if process.poll() is not None:
            raise LocalRunError(f"{what} ended at its start ({describe(process.returncode)}):\n{tail(log)}")
        if time.monotonic() > deadline:
            kill(process)
            raise LocalRunError(f"{what} was not ready within {limit_s:.0f} s:\n{tail(log)}")
        pause.wait(_POLL_S)


def end(process: subprocess.Popen[bytes], farewell: signal.Signals, grace_s: float) -> None:
    """Signal the process, and kill it and all it started after `grace_s`; return when nothing of it is left."""
    remaining = family(process.pid)
    if process.poll() is None:
        process.send_signal(farewell)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    if process.poll() is None:
        kill(process)
    else:
        kill_all(remaining)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Send SIGKILL to the process and all it started, and return when they are gone."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGSTOP)  # it shall not start others while they are counted
    others = family(process.pid)
    if process.poll() is None:
        process.kill()
    process.wait(_GONE_S)
    kill_all(others)


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Send SIGKILL to each that still runs, and return when they are gone."""
    alive = [process for process in processes if process.is_running()]
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    pause = threading.Event()
    deadline = time.monotonic() + _GONE_S
    while not all(_is_over(process) for process in alive) and time.monotonic() < deadline:
        pause.wait(_POLL_S)


def _is_over(process: psutil.Process) -> bool:
    """Whether it runs no more; a zombie does not, and stays one where the container's first process reaps none."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def family(pid: int) -> list[psutil.Process]:
    """Return what descends from `pid` or is in the session that it leads, without itself."""
    found: set[psutil.Process] = set()
    with suppress(psutil.NoSuchProcess):
        found.update(psutil.Process(pid).children(recursive=True))
    for other in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if other != pid and os.getsid(other) == pid:
                found.add(psutil.Process(other))
    return list(found)


def describe(status: int) -> str:
    """Say how a process ended, from its return code."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log, indented, and its path; the path alone where it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            last = file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        last = []
    return "\n".join([*(f"    {line}" for line in last), f"    (all of it: {log})"])


def _die_with_parent(farewell: signal.Signals) -> Callable[[], None] | None:
    """Return what the child does between fork and exec: ask for `farewell` at the death of its parent."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, int(farewell), 0, 0, 0)
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)

    return bind
