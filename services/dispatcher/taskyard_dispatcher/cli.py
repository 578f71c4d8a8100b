"""The command `taskyard-dispatcher`: builds the dispatcher's parts, and runs them until it is told to stop."""

import random
import signal
import threading
from collections.abc import Callable
from functools import partial

import structlog
import typer

from taskyard import garbage, logs, schema
from taskyard.broker import celery_app
from taskyard.database import Session
from taskyard.errors import TaskyardError
from taskyard.explaining import settings_for
from taskyard.health import Health, Pulse
from taskyard.metrics import registry
from taskyard.prepared import BY_KEY
from taskyard.serving import serve
from taskyard_dispatcher.canaries import Canaries
from taskyard_dispatcher.consistency import LOOK_S, Consistency
from taskyard_dispatcher.dispatch import Dispatch
from taskyard_dispatcher.duties import Duty, Loop
from taskyard_dispatcher.metrics import BUFFER, CONSISTENCY, RECORD, DispatcherMetrics
from taskyard_dispatcher.publisher import Channel, Publisher
from taskyard_dispatcher.recovery import DeadLetters, Leases, LostMessages
from taskyard_dispatcher.settings import DispatcherSettings
from taskyard_dispatcher.upkeep import Upkeep

log = structlog.get_logger(__name__)


def build(
    settings: DispatcherSettings, metrics: DispatcherMetrics, health: Health, stop: threading.Event
) -> list[Callable[[], None]]:
    """Build the loops of one replica; each runs in a thread of its own, on a session of its own, until `stop`."""
    app = celery_app(settings.broker_url.get_secret_value(), [])
    names = ("dispatch", RECORD, BUFFER, *((CONSISTENCY,) if settings.consistency_rows_per_s else ()))
    pulses = {name: health.pulse(name, settings.poll_s) for name in names}
    sessions = {name: _session(settings, pulse, BY_KEY if name == "dispatch" else "") for name, pulse in pulses.items()}
    publisher = Publisher(app, settings.confirm_timeout_s, pulses["dispatch"].outside)
    channel = Channel(app, settings.confirm_timeout_s, pulses[BUFFER].outside)
    health.ready_when(
        {
            "connected to PostgreSQL": lambda: all(session.is_connected for session in sessions.values()),
            "connected to RabbitMQ": lambda: channel.is_connected,
            "not stopping": lambda: not stop.is_set(),
        }
    )
    dispatch = Dispatch(settings, sessions["dispatch"], publisher, metrics, pulses["dispatch"])
    led = [
        _record_loop(settings, sessions[RECORD], metrics, pulses[RECORD]),
        _buffer_loop(settings, sessions[BUFFER], channel, metrics, pulses[BUFFER]),
    ]
    if CONSISTENCY in names:
        led.append(_consistency_loop(settings, sessions[CONSISTENCY], metrics, pulses[CONSISTENCY]))
    return [partial(dispatch.run, stop), *(partial(loop.run, stop) for loop in led)]


def _session(settings: DispatcherSettings, pulse: Pulse, options: str) -> Session:
    """Return a session whose locks another replica gets when this one hangs: the server ends what is long silent."""
    options += f" -c idle_session_timeout={int(max(10.0, 4 * settings.poll_s) * 1000)}"
    url = settings.database_url.get_secret_value()
    return Session(url, f"taskyard-dispatcher {pulse.name}", options=options, sticky=True, outside=pulse.outside)


def _record_loop(settings: DispatcherSettings, session: Session, metrics: DispatcherMetrics, pulse: Pulse) -> Loop:
    """Build the loop of what concerns PostgreSQL alone."""
    leases = Leases(session, settings.max_losses, random.random, metrics)
    upkeep = Upkeep(session, settings.retention_s, metrics)
    duties = [
        Duty("leases", 1.0, leases.expire),
        Duty("show", 5.0, upkeep.show),
        Duty("fold", 1.0, upkeep.fold),
        Duty("prune", 60.0, upkeep.prune),
    ]
    return Loop(RECORD, session, duties, metrics, pulse, stand_by=metrics.record.drop)


def _buffer_loop(
    settings: DispatcherSettings, session: Session, channel: Channel, metrics: DispatcherMetrics, pulse: Pulse
) -> Loop:
    """Build the loop of what compares RabbitMQ with the record."""
    lost = LostMessages(session, channel, settings.settle_s, metrics)
    duties = [
        Duty("lost_messages", min(2.0, settings.settle_s), lost.find),
        Duty("dead_letters", 1.0, DeadLetters(session, channel, metrics).bury),
    ]
    canaries = Canaries(session, settings.canary_s, lost.has_workers, metrics)
    if settings.canary_s:
        duties.append(Duty("canaries", min(1.0, settings.canary_s), canaries.look_after))

    def stand_by() -> None:
        metrics.buffer.drop()
        canaries.forget()
        channel.probe()  # ready to take over, and known to be

    return Loop(BUFFER, session, duties, metrics, pulse, stand_by)


def _consistency_loop(settings: DispatcherSettings, session: Session, metrics: DispatcherMetrics, pulse: Pulse) -> Loop:
    """Build the loop of the consistency check: one of its own, so that nothing waits for a full count."""
    check = Consistency(
        session,
        Leases(session, settings.max_losses, random.random, metrics),
        metrics,
        rows_per_s=settings.consistency_rows_per_s,
        pass_s=settings.consistency_pass_s,
    )

    def stand_by() -> None:
        metrics.consistency.drop()
        check.forget()

    duties = [Duty("consistency_walk", 0.1, check.walk), Duty("consistency_look", LOOK_S, check.look)]
    return Loop(CONSISTENCY, session, duties, metrics, pulse, stand_by)


def run() -> None:
    """Move due tasks from PostgreSQL to RabbitMQ, and recover what crashes left behind.

    Configured by the environment: DATABASE_URL, CELERY_BROKER_URL, TASKYARD_DISPATCH_WINDOW and others, see
    docs/operations.md. Any number of replicas may run; each queue is led by one of them.
    """
    settings = settings_for("taskyard-dispatcher", DispatcherSettings)
    logs.configure(settings, "dispatcher")
    collectors, health, stop = registry("dispatcher"), Health(settings.stall_s), threading.Event()
    metrics = DispatcherMetrics(collectors)
    serve(settings, collectors, health)
    try:
        schema.wait_until_usable(Session(settings.database_url.get_secret_value(), "taskyard-dispatcher start"))
    except TaskyardError as error:
        raise SystemExit(f"taskyard-dispatcher: cannot start: {error}") from error
    loops = build(settings, metrics, health, stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    garbage.keep_what_is_loaded()
    threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    log.info("dispatcher runs")
    while not stop.wait(1.0):
        if not all(thread.is_alive() for thread in threads):
            raise SystemExit("a loop of the dispatcher ended by an error; see the log")
    for thread in threads:
        thread.join(timeout=2 * settings.confirm_timeout_s)


def main() -> None:
    """Run the command line."""
    typer.run(run)
