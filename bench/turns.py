"""One turn: a system alone with the servers, from the start of its processes to their end."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench.servers import Servers
from bench.systems import Place, System
from bench.systems.place import environment_of
from taskyard.database import Session
from taskyard.local.ports import Ports
from taskyard.local.processes import Command

Figures = dict[str, float]
"""What a measure saw: the names of its figures, and their values."""

_DATABASE = "bench_turn"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything. Those named `rival_` are for the rivals, which take longer for less.

    `long_rounds` are those of the measures that start a worker.
    """

    rounds: int = 2
    long_rounds: int = 2
    load_s: float = 2.0
    drain_tasks: int = 20_000
    drain_limit_s: float = 60.0
    rival_drain_tasks: int = 4_000
    rival_drain_limit_s: float = 15.0
    starts: int = 150
    sustained_s: float = 600.0
    rival_sustained_s: float = 20.0
    history_tasks: int = 10_000_000
    history_times: int = 1_000
    idle_s: float = 10.0
    backlog_tasks: int = 1_000_000
    held_idle: int = 10_000
    held_polls: int = 1_000
    held_s: float = 10.0
    most_queues: int = 1_000


QUICK = Sizes(
    rounds=2,
    long_rounds=1,
    load_s=0.4,
    drain_tasks=3_000,
    drain_limit_s=8.0,
    rival_drain_tasks=1_000,
    rival_drain_limit_s=3.0,
    starts=30,
    sustained_s=4.0,
    rival_sustained_s=2.0,
    history_tasks=100_000,
    history_times=100,
    idle_s=1.0,
    backlog_tasks=20_000,
    held_idle=1_000,
    held_polls=200,
    held_s=1.0,
    most_queues=100,
)
"""A look in under four minutes: enough to see that all works, not to quote."""


@dataclass(slots=True)
class Turn:
    """What a measure gets: a system whose front runs, and its worker on demand.

    `earlier` has the figures of this round so far, by system: a load on one system may be told in the rates of another.
    """

    system: System
    place: Place
    sizes: Sizes
    earlier: Mapping[str, Figures]
    parts: dict[str, Command] = field(default_factory=dict)

    @property
    def is_rival(self) -> bool:
        """Whether it is not Taskyard, in one set-up or another."""
        return not self.system.with_tables

    def start(self, command: Command) -> None:
        """Start a part of the system; the turn ends it."""
        self.parts[command.name] = command
        command.start()

    def refill(self, fill: Callable[[], None]) -> None:
        """Stop all, have `fill` change the tables, and start the front anew on them, with empty queues."""
        self.stop()
        self.place.servers.purge("tasks.")
        fill()
        for command in self.system.front(self.place):
            self.start(command)

    def start_worker(self) -> None:
        """Start the worker, unless it runs."""
        if "worker" not in self.parts:
            self.start(self.system.worker(self.place))

    def restart(self, name: str, **settings: str) -> None:
        """Stop a part that runs, and start it again; `settings` hold for whatever starts from now on in this turn."""
        self.place.environment.update(settings)
        self.parts[name].stop()
        self.parts[name].start()

    def stop_worker(self) -> None:
        """Stop the worker, if it runs, after what it runs."""
        if worker := self.parts.pop("worker", None):
            worker.stop()

    def stop(self) -> None:
        """Stop all, the worker first."""
        while self.parts:
            self.parts.popitem()[1].stop()


@contextmanager
def turn(system: System, servers: Servers, sizes: Sizes, earlier: Mapping[str, Figures]) -> Iterator[Turn]:
    """Give the system an empty database, and start it; leave nothing of it afterwards."""
    with ExitStack() as ending:
        url = servers.new_database(_DATABASE, with_tables=system.with_tables)
        ending.callback(_forget, servers, servers.queues())
        place = Place(servers, url, Ports(servers.folder / "ports.json").choose("api", None), Session(url, "bench"))
        ending.callback(place.session.close)
        place.environment = environment_of(system, place)
        system.prepare(place)
        running = Turn(system, place, sizes, earlier)
        ending.callback(running.stop)
        for command in system.front(place):
            running.start(command)
        yield running


def _forget(servers: Servers, there_before: list[str]) -> None:
    servers.drop_database(_DATABASE)
    for queue in servers.queues():
        if queue not in there_before:
            servers.rabbitmq.delete_queue(queue)
    servers.checkpoint()


Run = Callable[[Turn], Figures]
