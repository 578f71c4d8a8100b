"""The faults of RabbitMQ and PostgreSQL. One at a time for each server; over when the server answers again."""

from typing import Final

from taskyard.database import Cursor, Session
from taskyard.errors import UnavailableError
from taskyard.local.errors import LocalRunError
from taskyard.verify.faults.plan import Fault
from taskyard.verify.faults.stage import BUFFER, SkippedError, Stage
from taskyard.verify.faults.story import Story

_RABBITMQ: Final = "rabbitmq"
_POSTGRESQL: Final = "postgresql"
_CUT: Final = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE application_name LIKE 'taskyard%' AND pid <> pg_backend_pid()
"""


def kill_rabbitmq(stage: Stage, _fault: Fault, _story: Story) -> str:
    """Kill it; it is started again at once."""
    with stage.exclusive(_RABBITMQ):
        stage.rabbitmq.part.kill()
        stage.wait_until(stage.has_queue, "RabbitMQ is back")
    return _RABBITMQ


def stop_rabbitmq(stage: Stage, fault: Fault, _story: Story) -> str:
    """Stop it cleanly, and start it after a time."""
    with stage.exclusive(_RABBITMQ):
        stage.rabbitmq.away(stage.rabbitmq.part.stop, lambda: stage.ending.wait(fault.lasts_s))
        stage.wait_until(stage.has_queue, "RabbitMQ is back")
    return _RABBITMQ


def wipe_rabbitmq(stage: Stage, _fault: Fault, _story: Story) -> str:
    """Kill it, remove all that it stored, and start it; then settle it."""
    with stage.exclusive(_RABBITMQ):
        stage.rabbitmq.away(stage.rabbitmq.part.kill, stage.rabbitmq.part.wipe)
        stage.settle()
    return _RABBITMQ


def purge_rabbitmq(stage: Stage, _fault: Fault, _story: Story) -> str:
    """Drop the messages that wait."""
    with stage.exclusive(_RABBITMQ):
        try:
            stage.rabbitmq.part.purge(BUFFER)
        except (LocalRunError, OSError) as error:
            raise SkippedError(f"RabbitMQ did not purge: {error}") from error
    return BUFFER


def alarm_rabbitmq(stage: Stage, fault: Fault, _story: Story) -> str:
    """Have it think that its memory is used up: it stops reading from whoever publishes."""
    with stage.exclusive(_RABBITMQ):
        try:
            stage.rabbitmq.part.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
            stage.ending.wait(fault.lasts_s)
            stage.rabbitmq.part.ctl("set_vm_memory_high_watermark", "absolute", "1GB")
        except LocalRunError as error:
            raise SkippedError(str(error)) from error
    return _RABBITMQ


def kill_postgresql(stage: Stage, _fault: Fault, _story: Story) -> str:
    """Kill every process of it; it is started again at once, and recovers."""
    with stage.exclusive(_POSTGRESQL):
        stage.postgresql.part.kill()
        stage.wait_until(stage.has_database, "PostgreSQL is back")
    return _POSTGRESQL


def restart_postgresql(stage: Stage, _fault: Fault, _story: Story) -> str:
    """Shut it down fast, and start it."""
    with stage.exclusive(_POSTGRESQL):
        stage.postgresql.part.stop()
        stage.wait_until(stage.has_database, "PostgreSQL is back")
    return _POSTGRESQL


def cut_postgresql(stage: Stage, _fault: Fault, _story: Story) -> str:
    """End all connections of all parts."""
    session = Session(stage.postgresql.part.url, "verify")
    try:
        return f"{session.run(_cut)} connections"
    except UnavailableError as error:
        raise SkippedError(str(error)) from error
    finally:
        session.close()


def fill_postgresql(stage: Stage, fault: Fault, _story: Story) -> str:
    """Leave no room on its disk for a time; it may crash then, and is started again."""
    if not stage.volume.can_be_filled:
        raise SkippedError(stage.volume.why_not)
    with stage.exclusive(_POSTGRESQL):
        stage.volume.fill()
        stage.ending.wait(fault.lasts_s)
        stage.volume.free()
        stage.wait_until(stage.has_database, "PostgreSQL is back")
    return _POSTGRESQL


def _cut(cursor: Cursor) -> int:
    cursor.execute(_CUT)
    return int((cursor.fetchone() or (0,))[0])
