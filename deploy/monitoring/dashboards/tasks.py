"""What each kind of task does: how many, how long, how often it goes wrong, and what it takes."""

from typing import Final

from dashboards.grafana import Dashboard, Panel, Query, Row
from dashboards.selecting import HERE, KIND, KINDS, QUEUE, QUEUES, RELEASE, WINDOW, quantiles

_FINISHED: Final = "taskyard_tasks_finished_total"
_RANGE: Final = "[$__range]"

_KINDS: Final = Row(
    "Kinds",
    [
        Panel(
            "Kinds in this range of time",
            "What each kind did. Many failed: docs/runbooks/TaskyardKindFails.md; many attempts for few tasks: "
            "docs/runbooks/TaskyardRetryStorm.md",
            "short",
            [
                Query(f'sum by (kind) (increase({_FINISHED}{{{KIND}, outcome="succeeded"}}{_RANGE}))'),
                Query(f'sum by (kind) (increase({_FINISHED}{{{KIND}, outcome="failed"}}{_RANGE}))'),
                Query(f'sum by (kind) (increase({_FINISHED}{{{KIND}, outcome="cancelled"}}{_RANGE}))'),
                Query(f"sum by (kind) (increase(taskyard_attempts_total{{{KIND}}}{_RANGE}))"),
                Query(
                    "histogram_quantile(0.95, "
                    f"sum by (kind, le) (increase(taskyard_attempt_run_seconds_bucket{{{KIND}}}{_RANGE})))"
                ),
                Query(f"sum by (kind) (increase(taskyard_attempt_run_seconds_sum{{{KIND}}}{_RANGE}))"),
            ],
            kind="table",
            width=24,
            height=10,
            columns=[
                ("kind", "Kind"),
                ("", "Succeeded"),
                ("", "Failed"),
                ("", "Cancelled"),
                ("", "Attempts"),
                ("", "Run p95, s"),
                ("", "Slot time, s"),
            ],
        ),
    ],
)

_ENDS: Final = Row(
    "How do they end?",
    [
        Panel(
            "Failed share, by kind",
            "Of the tasks that ended by themselves, how many failed. Above 5 %: docs/runbooks/TaskyardKindFails.md",
            "percentunit",
            [
                Query(
                    f'sum by (kind) (rate({_FINISHED}{{{KIND}, outcome="failed"}}{WINDOW})) '
                    f'/ (sum by (kind) (rate({_FINISHED}{{{KIND}, outcome=~"succeeded|failed"}}{WINDOW})) > 0)',
                    "{{kind}}",
                )
            ],
            warn=0.05,
            at_most=1,
        ),
        Panel(
            "Attempts, by outcome",
            "Attempts a second. More that go wrong than succeed: docs/runbooks/TaskyardRetryStorm.md",
            "ops",
            [
                Query(
                    f"sum by (outcome) (rate(taskyard_attempts_total{{{KIND}}}{WINDOW}))",
                    "{{outcome}}",
                )
            ],
            stacked=True,
        ),
        Panel(
            "Attempts a task",
            "Attempts that a task took on average, of those that ended. 1 is best.",
            "short",
            [
                Query(
                    f"sum by (queue) (rate(taskyard_task_attempts_sum{{{QUEUE}}}{WINDOW})) "
                    f"/ (sum by (queue) (rate(taskyard_task_attempts_count{{{QUEUE}}}{WINDOW})) > 0)",
                    "{{queue}}",
                )
            ],
        ),
        Panel(
            "Finished, by kind",
            "Tasks a second that ended, whichever way.",
            "ops",
            [Query(f"sum by (kind) (rate({_FINISHED}{{{KIND}}}{WINDOW}))", "{{kind}}")],
            stacked=True,
        ),
        Panel(
            "Submitted, by kind",
            "Tasks a second that were accepted. One kind that jumps: who sends it?",
            "ops",
            [
                Query(
                    f'sum by (kind) (rate(taskyard_submissions_total{{{KIND}, result="accepted"}}{WINDOW}))',
                    "{{kind}}",
                )
            ],
            stacked=True,
        ),
        Panel(
            "Submissions not accepted",
            "A second: invalid (the caller's fault), replayed (sent again with the same key), rejected or error: "
            "docs/runbooks/TaskyardApiOverloaded.md",
            "ops",
            [
                Query(
                    f'sum by (result) (rate(taskyard_submissions_total{{{HERE}, result!="accepted"}}{WINDOW}))',
                    "{{result}}",
                )
            ],
        ),
    ],
)

_TIMES: Final = Row(
    "What do they take?",
    [
        Panel(
            "Slots used, by kind",
            "Slots that each kind keeps busy on average: who eats the capacity.",
            "short",
            [
                Query(
                    f"topk(10, sum by (kind) (rate(taskyard_attempt_run_seconds_sum{{{KIND}}}{WINDOW})))",
                    "{{kind}}",
                )
            ],
            stacked=True,
        ),
        Panel(
            "Run time p95, by kind",
            "In the handler, of one attempt. It climbs: what the handler calls gets slower.",
            "s",
            quantiles("taskyard_attempt_run_seconds", KIND, "kind", (0.95,)),
        ),
        Panel(
            "Run time, all chosen kinds",
            "In the handler, of one attempt, by quantile.",
            "s",
            quantiles("taskyard_attempt_run_seconds", KIND),
        ),
        Panel(
            "From submission to end p95, by queue",
            "Waiting and retries included, without a delay that was asked for.",
            "s",
            quantiles("taskyard_task_end_to_end_seconds", QUEUE, "queue", (0.95,)),
        ),
        Panel(
            "From due to begun p95, by queue",
            "How long attempts waited for a worker: docs/runbooks/TaskyardAttemptsLate.md",
            "s",
            quantiles("taskyard_attempt_wait_seconds", QUEUE, "queue", (0.95,)),
            warn=60,
        ),
        Panel(
            "Oldest running task, by queue",
            "Since when the attempt runs that has run longest. Its time limit ends it.",
            "s",
            [Query(f"max by (queue) (taskyard_queue_oldest_running_seconds{{{QUEUE}}})", "{{queue}}")],
        ),
    ],
)

TASKS: Final = Dashboard(
    "taskyard-tasks",
    "Taskyard: tasks by kind",
    "What each kind of task does: how many, how long, how often it goes wrong, and what it takes.",
    [_KINDS, _ENDS, _TIMES],
    [*RELEASE, QUEUES, KINDS],
)
