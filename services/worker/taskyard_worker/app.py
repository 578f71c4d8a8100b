"""Celery as the worker uses it: each kind a task under its own name, in prefork children that the parent watches."""

import logging
import os
import random
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import billiard.util
import celery.apps.worker
from billiard.process import current_process
from celery import Celery, Task, signals
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning

from taskyard.broker import attempts_in, celery_app, queue_name
from taskyard.database import Session
from taskyard.handlers import Kind
from taskyard.log_counts import COUNTS
from taskyard.prepared import BY_KEY
from taskyard_worker.board import Board
from taskyard_worker.executor import Executor
from taskyard_worker.record import WaitingRecord
from taskyard_worker.reports import AttemptFailedError
from taskyard_worker.runner import Runner
from taskyard_worker.settings import WorkerSettings


def build_app(settings: WorkerSettings, queues: Iterable[str]) -> Celery:
    """Build the Celery app of a worker; without its tasks, which `register` adds."""
    return celery_app(
        settings.broker_url.get_secret_value(),
        queues,
        {
            "worker_pool": "prefork",
            "worker_concurrency": settings.concurrency,
            # A message is acknowledged when its outcome is in the record, not before; a child's death gives it back.
            "task_acks_late": True,
            "task_reject_on_worker_lost": True,
            "task_acks_on_failure": True,
            "task_acks_on_timeout": True,
            "worker_prefetch_multiplier": 1,
            # Leases and attempt numbers make a message that comes again harmless; killing what runs would not be.
            "worker_cancel_long_running_tasks_on_connection_loss": False,
            "worker_max_tasks_per_child": settings.max_tasks_per_child or None,
            # Flower turns them on, but some seconds after a worker has come: too late for the one that came for a task.
            "worker_send_task_events": settings.task_events,
            "worker_redirect_stdouts": False,
            "worker_soft_shutdown_timeout": 0,
        },
    )


def register(app: Celery, kinds: Mapping[str, Kind], request_class: type[Any], child: "Child") -> None:
    """Make each kind a Celery task under its own name."""
    for name in kinds:
        app.register_task(_task_class(name, request_class, child)())


def _task_class(kind: str, request_class: type[Any], child: "Child") -> type[Task]:
    class AttemptTask(Task):  # type: ignore[misc]  # celery carries no types
        name = kind
        Request = request_class
        throws = (AttemptFailedError,)  # expected: Celery logs no traceback of it

        def run(self, *args: Any) -> str:
            buffer = (self.request.delivery_info or {}).get("routing_key", "")
            return child.executor().execute(attempts_in(args), queue_name(buffer))

    return AttemptTask


class Child:
    """What a child process needs, built in the child after the fork."""

    def __init__(self, settings: WorkerSettings, kinds: Mapping[str, Kind], board: Board) -> None:
        self._settings = settings
        self._kinds = kinds
        self._board = board
        self._executor: Executor | None = None

    def begin(self, **_: Any) -> None:
        """Build the executor: the handler of Celery's signal that a child has started."""
        settings = self._settings
        index = current_process().index
        slot = self._board.slot(index)
        slot.occupy(os.getpid())
        COUNTS.write_to(1 + index)  # 0 is the parent's
        runner = Runner(slot, settings.max_task_s)
        runner.install()
        random.seed()
        url = settings.database_url.get_secret_value()
        session = Session(url, f"taskyard-worker {settings.worker_name}", options=BY_KEY)
        self._executor = Executor(
            WaitingRecord(session, settings.worker_name, settings.lease_s),
            self._kinds,
            runner.run,
            self._board.journals.open(index),
            random.random,
            settings.max_losses,
        )

    def executor(self) -> Executor:
        """Return the executor of this child."""
        if self._executor is None:
            raise RuntimeError("a child runs attempts only after it has begun")
        return self._executor


def silence_celery() -> None:
    """Keep Celery from setting up logging of its own, and its lines about each message out of the log.

    Its warning of root speaks of pickled messages; none but JSON is accepted here.
    """
    signals.setup_logging.connect(_leave_logging, weak=False)
    celery.apps.worker.safe_say = _say_nothing  # it prints past the log
    billiard.util.get_logger().propagate = True  # else it prints what children do past the log, too
    logging.getLogger("celery").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=SecurityWarning)
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)  # of a default that is set here


def _leave_logging(**_: Any) -> None:
    return


def _say_nothing(*_: Any, **__: Any) -> None:
    return
