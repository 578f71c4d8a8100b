"""Every metric that Taskyard shows: the one list that code, rules, dashboards and documentation are held to.

A name is as PromQL has it: counters end in `_total`; a histogram's series are its name with `_bucket`, `_sum` and
`_count`. `process_*` and `python_*`, which each process shows too, are the library's and not listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

PARTS: Final = ("api", "dispatcher", "worker")
EVERY_PART: Final = (*PARTS, "guard")

STATUSES: Final = ("scheduled", "queued", "running", "retrying", "succeeded", "failed", "cancelled")
OUTCOMES: Final = (
    "succeeded",
    "error",
    "timeout",
    "worker_lost",
    "cancelled",
    "discarded",
    "invalid_payload",
    "invalid_result",
)
RULES: Final = (
    "queued_without_ready",
    "ready_not_queued",
    "ready_without_task",
    "ready_differs",
    "queue_missing",
    "due_not_queued",
    "lease_overdue",
    "attempts_missing",
    "attempts_surplus",
    "attempts_without_task",
    "succeeded_twice",
    "end_contradicted",
    "counters_drift",
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: who shows it, with which labels, and which values those have where they are a closed list.

    `shown_by`: the leadership without which a dispatcher does not show it. `needs`: the setting without which it is
    not shown.
    """

    type: Literal["counter", "gauge", "histogram"]
    components: tuple[str, ...]
    labels: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shown_by: Literal["record", "buffer", "consistency"] | None = None
    needs: str | None = None

    def series(self, name: str) -> tuple[str, ...]:
        """Return the names of its series, this metric being called `name`."""
        return tuple(name + end for end in ("_bucket", "_sum", "_count")) if self.type == "histogram" else (name,)


_API: Final = ("api",)
_DISPATCHER: Final = ("dispatcher",)
_WORKER: Final = ("worker",)
_GUARD: Final = ("guard",)

INVENTORY: Final[Mapping[str, Metric]] = {
    # the API
    "taskyard_http_requests_total": Metric("counter", _API, ("method", "route", "status")),
    "taskyard_http_request_duration_seconds": Metric("histogram", _API, ("method", "route")),
    "taskyard_http_requests_in_progress": Metric("gauge", _API),
    "taskyard_http_connections": Metric("gauge", _API),
    "taskyard_http_connections_refused_total": Metric("counter", _API, ("cause",)),
    "taskyard_submissions_total": Metric(
        "counter",
        _API,
        ("kind", "queue", "result"),
        {"result": ("accepted", "replayed", "invalid", "rejected", "error")},
    ),
    "taskyard_commit_tasks": Metric("histogram", _API),
    "taskyard_commit_duration_seconds": Metric("histogram", _API),
    "taskyard_writer_backlog_tasks": Metric("gauge", _API),
    "taskyard_long_polls": Metric("gauge", _API),
    "taskyard_operator_actions_total": Metric(
        "counter",
        _API,
        ("action", "result"),
        {"action": ("cancel", "retry", "delete", "edit", "pause", "resume"), "result": ("done", "refused")},
    ),
    "taskyard_readers": Metric("gauge", _API),
    "taskyard_readers_busy": Metric("gauge", _API),
    "taskyard_reader_wait_seconds": Metric("histogram", _API),
    "taskyard_reader_rejections_total": Metric("counter", _API),
    # the dispatcher
    "taskyard_tasks": Metric("gauge", _DISPATCHER, ("queue", "status"), {"status": STATUSES}, shown_by="record"),
    "taskyard_queue_oldest_waiting_seconds": Metric("gauge", _DISPATCHER, ("queue",), shown_by="record"),
    "taskyard_queue_oldest_running_seconds": Metric("gauge", _DISPATCHER, ("queue",), shown_by="record"),
    "taskyard_queue_paused": Metric("gauge", _DISPATCHER, ("queue",), shown_by="record"),
    "taskyard_buffer_messages": Metric("gauge", _DISPATCHER, ("queue",), shown_by="buffer"),
    "taskyard_dispatched_total": Metric(
        "counter", _DISPATCHER, ("queue", "result"), {"result": ("confirmed", "refused")}
    ),
    "taskyard_dispatch_delay_seconds": Metric("histogram", _DISPATCHER, ("queue",)),
    "taskyard_publish_duration_seconds": Metric("histogram", _DISPATCHER),
    "taskyard_leader": Metric("gauge", _DISPATCHER, ("leads",)),
    "taskyard_recovered_total": Metric(
        "counter",
        _DISPATCHER,
        ("cause", "queue"),
        {"cause": ("lease_expired", "message_lost", "dead_lettered")},
    ),
    "taskyard_dead_letters_total": Metric(
        "counter", _DISPATCHER, ("found",), {"found": ("task_failed", "out_of_date", "foreign")}
    ),
    "taskyard_pruned_total": Metric("counter", _DISPATCHER),
    "taskyard_duty_errors_total": Metric("counter", _DISPATCHER, ("duty",)),
    "taskyard_listener_connected": Metric("gauge", _DISPATCHER),
    "taskyard_tasks_finished_total": Metric(
        "counter",
        _DISPATCHER,
        ("kind", "queue", "outcome"),
        {"outcome": ("succeeded", "failed", "cancelled")},
        shown_by="record",
    ),
    "taskyard_task_end_to_end_seconds": Metric("histogram", _DISPATCHER, ("queue",), shown_by="record"),
    "taskyard_task_attempts": Metric("histogram", _DISPATCHER, ("queue",), shown_by="record"),
    "taskyard_canary_last_success_timestamp_seconds": Metric(
        "gauge", _DISPATCHER, ("queue",), shown_by="buffer", needs="TASKYARD_CANARY_S"
    ),
    "taskyard_canary_duration_seconds": Metric(
        "gauge", _DISPATCHER, ("queue",), shown_by="buffer", needs="TASKYARD_CANARY_S"
    ),
    "taskyard_stats_last_refresh_timestamp_seconds": Metric("gauge", _DISPATCHER, shown_by="record"),
    "taskyard_stats_refresh_duration_seconds": Metric("gauge", _DISPATCHER, shown_by="record"),
    "taskyard_stats_refresh_errors_total": Metric("counter", _DISPATCHER, shown_by="record"),
    "taskyard_consistency_violations_total": Metric(
        "counter", _DISPATCHER, ("rule",), {"rule": RULES}, shown_by="consistency"
    ),
    "taskyard_consistency_mended_total": Metric(
        "counter", _DISPATCHER, ("rule",), {"rule": RULES}, shown_by="consistency"
    ),
    "taskyard_consistency_standing_violations": Metric("gauge", _DISPATCHER, shown_by="consistency"),
    "taskyard_consistency_examined_total": Metric("counter", _DISPATCHER, shown_by="consistency"),
    "taskyard_consistency_last_pass_timestamp_seconds": Metric("gauge", _DISPATCHER, shown_by="consistency"),
    "taskyard_consistency_last_pass_duration_seconds": Metric("gauge", _DISPATCHER, shown_by="consistency"),
    # the worker
    "taskyard_attempts_total": Metric("counter", _WORKER, ("kind", "queue", "outcome"), {"outcome": OUTCOMES}),
    "taskyard_attempt_run_seconds": Metric("histogram", _WORKER, ("kind", "queue")),
    "taskyard_attempt_wait_seconds": Metric("histogram", _WORKER, ("queue",)),
    "taskyard_worker_slots": Metric("gauge", _WORKER, ("pool",)),
    "taskyard_worker_slots_busy": Metric("gauge", _WORKER, ("pool",)),
    "taskyard_worker_serves": Metric("gauge", _WORKER, ("queue",)),
    "taskyard_worker_reserved_messages": Metric("gauge", _WORKER),
    "taskyard_worker_draining": Metric("gauge", _WORKER),
    "taskyard_worker_broker_connected": Metric("gauge", _WORKER),
    "taskyard_lease_renewals_total": Metric("counter", _WORKER),
    "taskyard_stale_outcomes_total": Metric("counter", _WORKER),
    "taskyard_idle_messages_total": Metric("counter", _WORKER),
    "taskyard_children_killed_total": Metric(
        "counter", _WORKER, ("cause",), {"cause": ("timeout", "cancelled", "memory", "lost")}
    ),
    "taskyard_messages_refused_total": Metric(
        "counter", _WORKER, ("reason",), {"reason": ("unknown_kind", "malformed", "forged_death")}
    ),
    # the scale guard
    "taskyard_guard_patches_total": Metric("counter", _GUARD, ("result",), {"result": ("done", "gone", "refused")}),
    "taskyard_guard_busy_pods": Metric("gauge", _GUARD),
    "taskyard_guard_last_round_timestamp_seconds": Metric("gauge", _GUARD),
    # all of them
    "taskyard_build_info": Metric("gauge", EVERY_PART, ("component", "version"), {"component": EVERY_PART}),
    "taskyard_log_messages_total": Metric(
        "counter", EVERY_PART, ("level",), {"level": ("debug", "info", "warning", "error", "critical")}
    ),
}


def of(component: str) -> dict[str, Metric]:
    """Return what one component shows."""
    return {name: metric for name, metric in INVENTORY.items() if component in metric.components}
