"""A real RabbitMQ of our own on 127.0.0.1, without installation, services or root.

A folder holds one node: its data, cookie, ports, configuration and log. It has an epmd (Erlang's name server) of its
own too, so that it meets no other node of the machine, and leaves none behind.
"""

import json
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import amqp
import psutil

from taskyard.local import rabbitmq_configuration as configuration
from taskyard.local import spawning
from taskyard.local.errors import LocalRunError
from taskyard.local.ports import LOOPBACK, Ports
from taskyard.local.rabbitmq_server import Server, find_server

USER: Final = "guest"
PASSWORD: Final = "guest"  # noqa: S105 - RabbitMQ's own default, which it lets in from loopback only
_START_S: Final = 120.0
_STOP_S: Final = 40.0
_CTL_S: Final = 60.0
_CALL_S: Final = 5.0
_END_STATISTICS: Final = "gen_event delete_handler [rabbit_event,rabbit_mgmt_db_handler,[]]"
_CLOCK_DRIFT_S: Final = 2.0


class RabbitMQ:
    """One node with the management plugin, in `directory`, with the users and policies of `definitions.json`.

    `server_directory` is where the distribution's RabbitMQ is unpacked where none is installed; nodes may share it.
    `port` and `management_port` are preferred; where they are taken, those of the last run or the next free ones
    above; None: any, and the same again in the next run while they are free. `settings` are added to rabbitmq.conf.
    `say` is told what takes long.

    Start it from a thread that outlives it (see `spawning.spawn`): it stops when that thread ends.
    """

    name: Final = "rabbitmq"

    def __init__(
        self,
        directory: Path,
        server_directory: Path,
        port: int | None = None,
        management_port: int | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._directory = directory.absolute()
        self._server_directory = server_directory.absolute()
        self._wanted = {"amqp": port, "management": management_port, "distribution": None, "epmd": None}
        self._settings = settings or {}
        self._say = say
        self._ports: dict[str, int] = {}
        self._stopped = threading.Event()
        self._server: Server | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The file with the node's log."""
        return self._directory / "log/rabbitmq.log"

    @property
    def port(self) -> int:
        """The port of AMQP; known from the first start on."""
        return self._port("amqp")

    @property
    def management_port(self) -> int:
        """The port of the management UI and API; known from the first start on."""
        return self._port("management")

    @property
    def url(self) -> str:
        """What `CELERY_BROKER_URL` is to be for who may do everything."""
        return self._url(USER, PASSWORD)

    def url_of(self, part: str) -> str:
        """Return what `CELERY_BROKER_URL` is to be for a part, as whose name and password its own name serves."""
        return self._url(part, part)

    def _url(self, user: str, password: str) -> str:
        return f"amqp://{user}:{password}@{LOOPBACK}:{self.port}//"

    @property
    def management_url(self) -> str:
        """Where the management UI is; its API is below `/api/`."""
        return f"http://{LOOPBACK}:{self.management_port}"

    @property
    def running(self) -> bool:
        """Whether the node runs, as far as its process tells."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the node and return when it takes connections; users and policies are there, also after a wipe.

        A node that an earlier run left in this folder is stopped first.

        Raises:
            LocalRunError: there is no RabbitMQ for this machine, or it does not start; the message says why.
        """
        if self.running and self._answers():
            return
        self._stopped.clear()
        for folder in ("data", "log", "conf.d"):
            (self._directory / folder).mkdir(parents=True, exist_ok=True)
        if self._server is None:
            self._server = find_server(self._server_directory, self._say, self._stopped)
        self._end_previous()
        if not self._ports:
            ports = Ports(self._directory / "ports.json")
            self._ports = {name: ports.choose(name, wanted) for name, wanted in self._wanted.items()}
        configuration.write(self._directory, self._ports, self._settings)
        output = self._directory / "output.log"
        # In the foreground, so that it is a child of ours: the daemon that Erlang would start outlives the node.
        self._epmd = self._spawn(self._server.epmd, output)
        self._process = self._spawn(self._server.script, output)
        self._remember([self._epmd, self._process])
        spawning.await_ready(self._process, self._answers, "RabbitMQ", output, _START_S)

    def wait(self) -> int:
        """Wait until the node ends, and return its status as `subprocess` has it."""
        return self._process.wait() if self._process else 0

    def stop(self) -> None:
        """Shut down cleanly; killed where that takes too long. No effect when stopped."""
        self._stopped.set()
        if self._process:
            if self.running:
                self._end_statistics()
            spawning.end(self._process, signal.SIGTERM, _STOP_S)
        self._end_epmd()

    def kill(self) -> None:
        """Kill the node and every process of it with SIGKILL, as a crash would, and return when they are gone.

        A quorum queue that was declared within the last seconds does not survive that in RabbitMQ 3.10: it is listed,
        but refuses messages until it is deleted. `stop` and `start` make a new queue fast.
        """
        self._stopped.set()
        if self._process:
            spawning.kill(self._process)
        self._end_epmd()

    def wipe(self) -> None:
        """Remove all that the stopped node has stored: queues, messages, exchanges, users.

        Raises:
            LocalRunError: it runs.
        """
        if self.running:
            raise LocalRunError("a running RabbitMQ cannot be wiped")
        shutil.rmtree(self._directory / "data", ignore_errors=True)

    def purge(self, queue: str) -> None:
        """Drop the messages of `queue` that no consumer holds.

        Raises:
            LocalRunError: there is no such queue.
        """
        with self._channel() as channel:
            channel.queue_purge(queue)

    def delete_queue(self, queue: str) -> None:
        """Delete `queue` with all its messages and consumers; no effect where there is none."""
        with self._channel() as channel:
            channel.queue_delete(queue)

    def depth(self, queue: str) -> int:
        """Return how many messages of `queue` wait for a consumer; exact, not a statistic.

        Raises:
            LocalRunError: there is no such queue.
        """
        with self._channel() as channel:
            return int(channel.queue_declare(queue, passive=True).message_count)

    def ctl(self, *arguments: str) -> str:
        """Run `rabbitmqctl` on the node (a second or more) and return its output.

        Raises:
            LocalRunError: the node was never started, or the command failed.
        """
        if self._server is None:
            raise LocalRunError("RabbitMQ was never started")
        answer = subprocess.run(  # noqa: S603 - our own program
            [self._server.script.with_name("rabbitmqctl"), "--quiet", *arguments],
            env=configuration.environment(self._directory, self._ports, self._server),
            capture_output=True,
            text=True,
            check=False,
            timeout=_CTL_S,
        )
        if answer.returncode != 0:
            raise LocalRunError(f"rabbitmqctl {' '.join(arguments)}: {answer.stderr.strip() or answer.stdout.strip()}")
        return answer.stdout

    def _spawn(self, program: Path, log: Path) -> subprocess.Popen[bytes]:
        assert self._server is not None  # noqa: S101
        environment = configuration.environment(self._directory, self._ports, self._server)
        return spawning.spawn([program], environment=environment, log=log, cwd=self._directory)

    def _end_statistics(self) -> None:
        """Have the management plugin let go of its statistics, which costs 5 s of the shutdown otherwise.

        It ends them by a call to the process of Erlang that just then waits for it, and gives up after 5 s.
        """
        assert self._server is not None  # noqa: S101
        with suppress(OSError, subprocess.SubprocessError):  # then it takes the 5 s
            subprocess.run(  # noqa: S603 - our own program; it has the cookie from HOME
                [self._server.epmd.with_name("erl_call"), "-sname", configuration.NODE, "-a", _END_STATISTICS],
                env=configuration.environment(self._directory, self._ports, self._server),
                capture_output=True,
                check=False,
                timeout=_CALL_S,
            )

    def _port(self, name: str) -> int:
        if name not in self._ports:
            raise LocalRunError("RabbitMQ has no ports yet: it was never started")
        return self._ports[name]

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        try:
            with amqp.Connection(f"{LOOPBACK}:{self.port}", USER, PASSWORD, connect_timeout=5) as connection:
                yield connection.channel()
        except amqp.AMQPError as error:
            raise LocalRunError(f"RabbitMQ: {error}") from error

    def _answers(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self.management_port), timeout=5).close()
            with self._channel():
                return True
        except (OSError, LocalRunError):
            return False

    @property
    def _process_file(self) -> Path:
        return self._directory / "processes.json"

    def _remember(self, processes: list[subprocess.Popen[bytes]]) -> None:
        """Write down who we started and when, for the next run to find what we left."""
        with suppress(psutil.NoSuchProcess):  # ended already; `start` says so
            started = {str(process.pid): psutil.Process(process.pid).create_time() for process in processes}
            self._process_file.write_text(json.dumps(started))

    def _end_previous(self) -> None:
        """End what an earlier run left in this folder."""
        try:
            started = {int(pid): float(at) for pid, at in json.loads(self._process_file.read_text()).items()}
        except (OSError, ValueError):
            return
        for pid, at in started.items():
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                # Another process may have the pid by now.
                if abs(process.create_time() - at) < _CLOCK_DRIFT_S and process.name().startswith(("beam", "epmd")):
                    others = spawning.family(pid)
                    process.terminate()
                    psutil.wait_procs([process], timeout=_STOP_S)
                    spawning.kill_all([process, *others])
        self._process_file.unlink()

    def _end_epmd(self) -> None:
        if self._epmd:
            spawning.kill(self._epmd)
