"""The first look: is it healthy, does work flow, how long does it wait, is there room."""

from typing import Final

from dashboards.grafana import Dashboard, Panel, Query, Row, stat
from dashboards.selecting import HERE, QUEUE, QUEUES, RELEASE, SERVERS, WINDOW, quantiles

_HEALTH: Final = Row(
    "Is it healthy?",
    [
        stat(
            "Alerts",
            "Alerts of Taskyard that fire. Each has a page in docs/runbooks.",
            "short",
            f'count(ALERTS{{alertname=~"Taskyard.+", alertstate="firing", {HERE}}}) or vector(0)',
            alarm=1,
        ),
        stat(
            "Oldest waiting task",
            "How long the task has waited that is due and has waited longest. Bad above 5 minutes: "
            "docs/runbooks/TaskyardBacklogOld.md",
            "s",
            f"max(taskyard_queue_oldest_waiting_seconds{{{QUEUE}}})",
            warn=60,
            alarm=300,
        ),
        stat(
            "Tasks waiting",
            "Tasks that are due and have no worker yet. Many are no fault as long as none waits for long.",
            "short",
            f'sum(max by (namespace, release, queue) (taskyard_tasks{{{QUEUE}, status="queued"}}))',
        ),
        stat(
            "Slots busy",
            "Share of all slots that run an attempt. Near 100 % while tasks wait: "
            "docs/runbooks/TaskyardWorkersSaturated.md. No value: all pools are at zero.",
            "percentunit",
            f"sum(taskyard_worker_slots_busy{{{HERE}}}) / sum(taskyard_worker_slots{{{HERE}}})",
            warn=0.95,
            none="at zero",
        ),
        stat(
            "Failed, last hour",
            "Tasks that failed for good in the last hour; docs/runbooks/TaskyardKindFails.md",
            "short",
            f'sum(increase(taskyard_tasks_finished_total{{{QUEUE}, outcome="failed"}}[1h]))',
            warn=1,
        ),
        stat(
            "Record without leader",
            "1 when no dispatcher keeps the record: docs/runbooks/TaskyardNoLeader.md",
            "short",
            f'1 - (max(taskyard_leader{{{HERE}, leads="record"}}) or vector(0))',
            alarm=1,
        ),
        stat(
            "Last canary",
            "How long ago a task went all the way through, where TASKYARD_CANARY_S is set. Bad above 5 minutes: "
            "docs/runbooks/TaskyardCanaryFails.md",
            "s",
            f"max(time() - taskyard_canary_last_success_timestamp_seconds{{{QUEUE}}})",
            alarm=300,
            none="off",
        ),
        stat(
            "Targets down",
            "Processes and servers that cannot be scraped: docs/runbooks/TaskyardTargetDown.md",
            "short",
            f"count(up{{{SERVERS}}} == 0) or vector(0)",
            alarm=1,
        ),
    ],
)


def _burn(title: str, recorded: str, budget: float, what: str, runbook: str) -> Panel:
    """Return how fast an error budget is used up: 1 is just as fast as is allowed."""
    legend = " {{queue}}" if recorded == "late_attempts" else ""
    return Panel(
        title,
        f"{what} 1: just as often as the objective allows for 30 days. 14.4 for an hour pages: {runbook}",
        "short",
        [
            Query(f"taskyard:{recorded}:ratio_rate{window}{{{HERE}}} / {budget:g}", f"{window}{legend}")
            for window in ("1h", "3d")
        ],
        warn=1,
        alarm=14.4,
    )


_OBJECTIVES: Final = Row(
    "Objectives: how fast is the error budget used up?",
    [
        _burn(
            "API: 99.9 % without 5xx",
            "api_errors",
            0.001,
            "Requests answered with 5xx.",
            "docs/runbooks/TaskyardApiErrors.md",
        ),
        _burn(
            "Waiting: 99 % begin within 60 s",
            "late_attempts",
            0.01,
            "Attempts that began later than 60 s after they were due, by queue.",
            "docs/runbooks/TaskyardAttemptsLate.md",
        ),
        _burn(
            "Tasks: 99 % succeed",
            "failed_tasks",
            0.01,
            "Tasks that failed for good.",
            "docs/runbooks/TaskyardTasksFail.md",
        ),
    ],
)

_FLOW: Final = Row(
    "Does work flow?",
    [
        Panel(
            "Submitted, begun, finished",
            "Tasks a second. Finished below submitted for long: work piles up.",
            "ops",
            [
                Query(
                    f'sum(rate(taskyard_submissions_total{{{QUEUE}, result="accepted"}}{WINDOW}))',
                    "submitted",
                ),
                Query(f"sum(rate(taskyard_attempt_wait_seconds_count{{{QUEUE}}}{WINDOW}))", "attempts begun"),
                Query(f"sum(rate(taskyard_tasks_finished_total{{{QUEUE}}}{WINDOW}))", "finished"),
            ],
        ),
        Panel(
            "Finished, by outcome",
            "Tasks a second that ended. Failed ones: docs/runbooks/TaskyardKindFails.md",
            "ops",
            [
                Query(
                    f"sum by (outcome) (rate(taskyard_tasks_finished_total{{{QUEUE}}}{WINDOW}))",
                    "{{outcome}}",
                )
            ],
            stacked=True,
        ),
        Panel(
            "Not finished, by status",
            "Scheduled, queued, running, retrying. Queued grows: docs/runbooks/TaskyardBacklogOld.md",
            "short",
            [
                Query(
                    "sum by (status) (max by (namespace, release, queue, status) "
                    f'(taskyard_tasks{{{QUEUE}, status!~"succeeded|failed|cancelled"}}))',
                    "{{status}}",
                )
            ],
            stacked=True,
        ),
        Panel(
            "Time to work off what waits",
            "Seconds until all that waits now would be done at the present pace. It grows: more comes than is done.",
            "s",
            [
                Query(
                    "sum by (queue) (max by (namespace, release, queue) "
                    f'(taskyard_tasks{{{QUEUE}, status="queued"}})) '
                    f"/ (sum by (queue) (rate(taskyard_tasks_finished_total{{{QUEUE}}}{WINDOW})) > 0)",
                    "{{queue}}",
                )
            ],
        ),
        Panel(
            "From submission to end",
            "How long tasks take in all, waiting and retries included, by quantile.",
            "s",
            quantiles("taskyard_task_end_to_end_seconds", QUEUE),
        ),
        Panel(
            "In RabbitMQ",
            "Messages that wait there, by queue. None, while tasks wait: docs/runbooks/TaskyardDispatchStalled.md",
            "short",
            [Query(f"max by (queue) (taskyard_buffer_messages{{{QUEUE}}})", "{{queue}}")],
        ),
    ],
)

_WAITING: Final = Row(
    "How long does it wait?",
    [
        Panel(
            "Oldest waiting task, by queue",
            "Age of the oldest task that is due. Above the line for 5 minutes: docs/runbooks/TaskyardBacklogOld.md",
            "s",
            [
                Query(
                    f"max by (queue) (taskyard_queue_oldest_waiting_seconds{{{QUEUE}}})",
                    "{{queue}}",
                )
            ],
            warn=300,
            alarm=1800,
        ),
        Panel(
            "From due to begun",
            "How long attempts waited. The objective is 60 s for 99 %: docs/runbooks/TaskyardAttemptsLate.md",
            "s",
            quantiles("taskyard_attempt_wait_seconds", QUEUE),
        ),
        Panel(
            "From due to begun, all",
            "The same, as a distribution over time. Bad: a dark band that climbs.",
            "s",
            [Query(f"sum by (le) (rate(taskyard_attempt_wait_seconds_bucket{{{QUEUE}}}{WINDOW}))", "{{le}}")],
            kind="heatmap",
        ),
    ],
)

_CAPACITY: Final = Row(
    "Is there room?",
    [
        Panel(
            "Slots, by pool",
            "Slots there are, and those that run something. Busy touches total while tasks wait: "
            "docs/runbooks/TaskyardWorkersSaturated.md",
            "short",
            [
                Query(f"sum by (pool) (taskyard_worker_slots{{{HERE}}})", "{{pool}}: total"),
                Query(f"sum by (pool) (taskyard_worker_slots_busy{{{HERE}}})", "{{pool}}: busy"),
            ],
        ),
        Panel(
            "Workers, by queue",
            "Workers that serve each queue, and what KEDA scales by (waiting and running messages), on Kubernetes. "
            "None while tasks wait: docs/runbooks/TaskyardNoWorkers.md",
            "short",
            [
                Query(f"sum by (queue) (taskyard_worker_serves{{{QUEUE}}})", "{{queue}}: workers"),
                Query(
                    'max by (scaledObject) (keda_scaler_metrics_value{scaledObject=~".*-worker-.*|.*-[0-9a-f]{8}"})',
                    "{{scaledObject}}: messages",
                ),
            ],
        ),
        Panel(
            "Attempts lost",
            "Children that died, leases that ran out, outcomes that came too late, a second. Should be nothing: "
            "docs/runbooks/TaskyardChildrenDie.md, docs/runbooks/TaskyardLeasesExpire.md",
            "ops",
            [
                Query(
                    f"sum by (cause) (rate(taskyard_children_killed_total{{{HERE}}}{WINDOW}))",
                    "child: {{cause}}",
                ),
                Query(
                    f'sum(rate(taskyard_recovered_total{{{QUEUE}, cause="lease_expired"}}{WINDOW}))',
                    "lease expired",
                ),
                Query(f"sum(rate(taskyard_stale_outcomes_total{{{HERE}}}{WINDOW}))", "outcome too late"),
            ],
        ),
        Panel(
            "Processes, by version",
            "What runs. Two versions for more than an hour: docs/runbooks/TaskyardVersionsDiffer.md",
            "short",
            [
                Query(
                    f"count by (component, version) (taskyard_build_info{{{HERE}}})",
                    "{{component}} {{version}}",
                )
            ],
            width=24,
            height=6,
            stacked=True,
        ),
    ],
)

OVERVIEW: Final = Dashboard(
    "taskyard-overview",
    "Taskyard: overview",
    "Whether Taskyard is healthy, whether work flows, how long it waits, and whether there is room.",
    [_HEALTH, _OBJECTIVES, _FLOW, _WAITING, _CAPACITY],
    [*RELEASE, QUEUES],
)
