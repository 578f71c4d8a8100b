"""What each sort of fault does to whom. Each function returns whom it met, when all that it did is over."""

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import psutil

from taskyard.local.errors import LocalRunError
from taskyard.verify.faults import bad_handlers, servers
from taskyard.verify.faults.plan import Fault
from taskyard.verify.faults.proxy import State
from taskyard.verify.faults.stage import DISPATCHERS, PARTS, WORKERS, OnStage, SkippedError, Stage
from taskyard.verify.faults.story import Story

_AHEAD_S: Final = 3600
_CHILD_S: Final = 15.0

Inject = Callable[[Stage, Fault, Story], str]


def _chosen(stage: Stage, fault: Fault, names: tuple[str, ...]) -> OnStage:
    return stage.parts[names[int(fault.dice * len(names))]]


def _kill(names: tuple[str, ...], stage: Stage, fault: Fault, story: Story) -> str:
    part = _chosen(stage, fault, names)
    process = part.process
    story.killed(part.name)
    with suppress(psutil.NoSuchProcess):
        process.kill()
    return part.name


def _stop(names: tuple[str, ...], stage: Stage, fault: Fault, _story: Story) -> str:
    part = _chosen(stage, fault, names)
    _freeze(stage, part.process, fault.lasts_s)
    return part.name


def _child(stage: Stage, fault: Fault) -> tuple[OnStage, psutil.Process]:
    """Return a child of any worker, and that worker; waits where all of them are just being started."""

    def born() -> list[tuple[OnStage, psutil.Process]]:
        parts = [stage.parts[name] for name in WORKERS]
        return [(part, child) for part in parts for child in part.children()]

    with suppress(LocalRunError):
        stage.wait_until(lambda: bool(born()), "a child", _CHILD_S)
    if not (found := born()):
        raise SkippedError("no worker had a child")
    return found[int(fault.dice * len(found))]


def _kill_child(stage: Stage, fault: Fault, story: Story) -> str:
    part, child = _child(stage, fault)
    story.killed(part.name)
    with suppress(psutil.NoSuchProcess):
        child.kill()
    return f"a child of {part.name}"


def _stop_child(stage: Stage, fault: Fault, _story: Story) -> str:
    part, child = _child(stage, fault)
    _freeze(stage, child, fault.lasts_s)
    return f"a child of {part.name}"


def _freeze(stage: Stage, process: psutil.Process, lasts_s: float) -> None:
    """Stop the process by SIGSTOP for a time; it may be killed meanwhile."""
    with suppress(psutil.NoSuchProcess):
        process.suspend()
        stage.ending.wait(lasts_s)
        if process.is_running():
            os.kill(process.pid, signal.SIGCONT)


def _network(state: State, stage: Stage, fault: Fault, _story: Story) -> str:
    link = stage.links[int(fault.dice * len(stage.links))]
    with stage.exclusive(f"link {link}"):
        stage.set_link(link, state)
        stage.ending.wait(fault.lasts_s)
        stage.set_link(link, "open")
    return link


def _clock(ahead_s: int, stage: Stage, fault: Fault, _story: Story) -> str:
    part = _chosen(stage, fault, PARTS)
    with stage.exclusive(f"clock {part.name}"):
        part.clock.write_text(str(ahead_s), encoding="ascii")
        stage.ending.wait(fault.lasts_s)
        part.clock.write_text("0", encoding="ascii")
    return f"{part.name} by {ahead_s:+} s"


FAULTS: Final[Mapping[str, Inject]] = {
    "worker.kill": partial(_kill, WORKERS),
    "worker.stop": partial(_stop, WORKERS),
    "child.kill": _kill_child,
    "child.stop": _stop_child,
    "dispatcher.kill": partial(_kill, DISPATCHERS),
    "dispatcher.stop": partial(_stop, DISPATCHERS),
    "api.kill": partial(_kill, ("api",)),
    "api.stop": partial(_stop, ("api",)),
    "rabbitmq.kill": servers.kill_rabbitmq,
    "rabbitmq.stop": servers.stop_rabbitmq,
    "rabbitmq.wipe": servers.wipe_rabbitmq,
    "rabbitmq.purge": servers.purge_rabbitmq,
    "rabbitmq.alarm": servers.alarm_rabbitmq,
    "postgresql.kill": servers.kill_postgresql,
    "postgresql.restart": servers.restart_postgresql,
    "postgresql.cut": servers.cut_postgresql,
    "postgresql.full": servers.fill_postgresql,
    "network.cut": partial(_network, "cut"),
    "network.slow": partial(_network, "slow"),
    "network.reset": partial(_network, "reset"),
    "clock.forward": partial(_clock, _AHEAD_S),
    "clock.back": partial(_clock, -_AHEAD_S),
    "handler.stubborn": bad_handlers.stubborn,
    "handler.leak": partial(bad_handlers.run, "fault.leak"),
    "handler.fork": partial(bad_handlers.run, "fault.fork"),
    "handler.strayfork": partial(bad_handlers.run, "fault.strayfork"),
    "handler.close": partial(bad_handlers.run, "fault.close"),
}
"""For each sort of the plan what injects it."""
