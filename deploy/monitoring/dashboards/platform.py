"""The parts and the servers from inside: API, dispatcher, RabbitMQ, PostgreSQL, processes."""

from typing import Final

from dashboards.grafana import Dashboard, Panel, Query, Row
from dashboards.selecting import HERE, QUEUE, QUEUES, RELEASE, SERVERS, WINDOW, quantiles
from dashboards.servers import POSTGRESQL, RABBITMQ

_REQUESTS: Final = "taskyard_http_requests_total"

_API: Final = Row(
    "API",
    [
        Panel(
            "Requests, by status",
            "A second. 5xx: docs/runbooks/TaskyardApiErrors.md",
            "reqps",
            [Query(f"sum by (status) (rate({_REQUESTS}{{{HERE}}}{WINDOW}))", "{{status}}")],
            stacked=True,
        ),
        Panel(
            "Time p95, by route",
            "To the end of the answer. GET /tasks/{task_id} may wait on purpose. Above a second: "
            "docs/runbooks/TaskyardApiSlow.md",
            "s",
            quantiles("taskyard_http_request_duration_seconds", HERE, "route", (0.95,)),
            warn=1,
        ),
        Panel(
            "In progress",
            "Requests being answered, long polls that wait, tasks that wait to be recorded (10,000 at most, then 503): "
            "docs/runbooks/TaskyardApiOverloaded.md",
            "short",
            [
                Query(f"sum(taskyard_http_requests_in_progress{{{HERE}}})", "requests"),
                Query(f"sum(taskyard_long_polls{{{HERE}}})", "long polls"),
                Query(f"sum(taskyard_writer_backlog_tasks{{{HERE}}})", "tasks for the writer"),
            ],
        ),
        Panel(
            "Commit of submissions",
            "Time to record what gathered, by quantile. p95 above half a second: docs/runbooks/TaskyardCommitsSlow.md",
            "s",
            quantiles("taskyard_commit_duration_seconds", HERE),
            warn=0.5,
        ),
        Panel(
            "Readers",
            "Share of the connections for reading and changing that is in use. Near 100 %: "
            "docs/runbooks/TaskyardReadersBusy.md",
            "percentunit",
            [Query(f"sum(taskyard_readers_busy{{{HERE}}}) / sum(taskyard_readers{{{HERE}}})", "busy")],
            warn=0.9,
            at_most=1,
        ),
        Panel(
            "Waiting for a reader",
            "How long requests wait for a connection, by quantile, and how many are refused.",
            "s",
            [
                *quantiles("taskyard_reader_wait_seconds", HERE, quantiles=(0.95, 0.99)),
                Query(f"sum(rate(taskyard_reader_rejections_total{{{HERE}}}{WINDOW}))", "refused a second"),
            ],
        ),
        Panel(
            "Operator actions",
            "Cancel, retry, delete, edit, pause and resume, a second: what people did when something changed.",
            "ops",
            [
                Query(
                    f"sum by (action, result) (rate(taskyard_operator_actions_total{{{HERE}}}{WINDOW}))",
                    "{{action}}: {{result}}",
                )
            ],
            width=12,
            height=6,
        ),
        Panel(
            "Tasks in one commit",
            "On average. More under load: submissions share a commit.",
            "short",
            [
                Query(
                    f"sum(rate(taskyard_commit_tasks_sum{{{HERE}}}{WINDOW})) "
                    f"/ (sum(rate(taskyard_commit_tasks_count{{{HERE}}}{WINDOW})) > 0)",
                    "tasks",
                )
            ],
            width=12,
            height=6,
        ),
    ],
)

_DISPATCHER: Final = Row(
    "Dispatcher",
    [
        Panel(
            "Sent to RabbitMQ",
            "Messages a second, by what became of them. Refused: docs/runbooks/TaskyardMessagesRefused.md",
            "ops",
            [
                Query(
                    f"sum by (queue, result) (rate(taskyard_dispatched_total{{{QUEUE}}}{WINDOW}))",
                    "{{queue}}: {{result}}",
                )
            ],
        ),
        Panel(
            "Time to send",
            "From due to sent, and one batch with its confirms, p95. Sending near 5 s: "
            "docs/runbooks/TaskyardMessagesRefused.md",
            "s",
            [
                *quantiles("taskyard_dispatch_delay_seconds", QUEUE, "queue", (0.95,)),
                Query(
                    "histogram_quantile(0.95, "
                    f"sum by (le) (rate(taskyard_publish_duration_seconds_bucket{{{HERE}}}{WINDOW})))",
                    "p95 of a batch",
                ),
            ],
        ),
        Panel(
            "Who leads",
            "1 for each thing that is led. A line that ends: docs/runbooks/TaskyardQueueWithoutLeader.md",
            "short",
            [Query(f"max by (leads) (taskyard_leader{{{HERE}}})", "{{leads}}")],
            at_most=1,
        ),
        Panel(
            "Put right",
            "A second: leases that ran out, messages that RabbitMQ lost, dead letters. "
            "docs/runbooks/TaskyardLeasesExpire.md, docs/runbooks/TaskyardMessagesLost.md, "
            "docs/runbooks/TaskyardDeadLetters.md",
            "ops",
            [
                Query(
                    f"sum by (cause) (rate(taskyard_recovered_total{{{QUEUE}}}{WINDOW}))",
                    "{{cause}}",
                )
            ],
        ),
        Panel(
            "Duties that failed",
            "Rounds a second. All the time: docs/runbooks/TaskyardDutyFails.md",
            "ops",
            [Query(f"sum by (duty) (rate(taskyard_duty_errors_total{{{HERE}}}{WINDOW}))", "{{duty}}")],
        ),
        Panel(
            "Age of the statistics",
            "Since when the numbers of the queues were read last. Above two minutes: "
            "docs/runbooks/TaskyardStatisticsStale.md",
            "s",
            [
                Query(
                    f"time() - max(taskyard_stats_last_refresh_timestamp_seconds{{{HERE}}})",
                    "age",
                ),
                Query(f"max(taskyard_stats_refresh_duration_seconds{{{HERE}}})", "time to read them"),
            ],
            alarm=120,
        ),
        Panel(
            "Violations of the record",
            "Found by the consistency check in an hour, by rule, and those that stand. Anything but 0: "
            "docs/runbooks/TaskyardRecordInconsistent.md",
            "short",
            [
                Query(
                    f"(sum by (rule) (increase(taskyard_consistency_violations_total{{{HERE}}}[1h])) > 0)",
                    "{{rule}}",
                ),
                Query(f"max(taskyard_consistency_standing_violations{{{HERE}}})", "standing"),
            ],
            alarm=1,
            none="0",
        ),
        Panel(
            "Age of the consistency check",
            "Since when its last full pass ended, and how long that took. Hours: "
            "docs/runbooks/TaskyardConsistencyStale.md",
            "s",
            [
                Query(f"time() - max(taskyard_consistency_last_pass_timestamp_seconds{{{HERE}}})", "age"),
                Query(f"max(taskyard_consistency_last_pass_duration_seconds{{{HERE}}})", "time that it took"),
            ],
            alarm=21600,
        ),
        Panel(
            "Tasks examined",
            "By the consistency check, a second. It rests between two passes; 0 for hours: "
            "docs/runbooks/TaskyardConsistencyStale.md",
            "ops",
            [
                Query(f"sum(rate(taskyard_consistency_examined_total{{{HERE}}}{WINDOW}))", "examined"),
                Query(
                    f"(sum by (rule) (rate(taskyard_consistency_mended_total{{{HERE}}}{WINDOW})) > 0)",
                    "{{rule}}: mended",
                ),
            ],
        ),
    ],
)

_PROCESSES: Final = Row(
    "Processes",
    [
        Panel(
            "Processor time, by job",
            "Seconds a second, of the parents. An API at 1 a process is at its limit.",
            "short",
            [Query(f"max by (job) (rate(process_cpu_seconds_total{{{SERVERS}}}{WINDOW}))", "{{job}}")],
            width=6,
        ),
        Panel(
            "Memory, by job",
            "Resident, the largest of each job. It climbs for days: a leak.",
            "bytes",
            [Query(f"max by (job) (process_resident_memory_bytes{{{SERVERS}}})", "{{job}}")],
            width=6,
        ),
        Panel(
            "Logged",
            "Warnings and errors a second, by job. Errors: docs/runbooks/TaskyardErrorsLogged.md",
            "ops",
            [
                Query(
                    "sum by (job, level) "
                    f'(rate(taskyard_log_messages_total{{{HERE}, level=~"warning|error|critical"}}{WINDOW}))',
                    "{{job}}: {{level}}",
                )
            ],
            width=6,
        ),
        Panel(
            "Guard",
            "Pods that it takes for busy, and marks that it changed, a second: docs/runbooks/TaskyardGuardStale.md",
            "short",
            [
                Query(f"max(taskyard_guard_busy_pods{{{HERE}}})", "busy pods"),
                Query(f"sum by (result) (rate(taskyard_guard_patches_total{{{HERE}}}{WINDOW}))", "{{result}}"),
            ],
            width=6,
        ),
    ],
)

PLATFORM: Final = Dashboard(
    "taskyard-platform",
    "Taskyard: platform",
    "The parts and the servers from inside.",
    [_API, _DISPATCHER, RABBITMQ, POSTGRESQL, _PROCESSES],
    [*RELEASE, QUEUES],
)
