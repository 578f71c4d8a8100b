"""RabbitMQ and PostgreSQL, as their own metrics show them."""

from typing import Final

from dashboards.grafana import Panel, Query, Row
from dashboards.selecting import SERVERS, WINDOW

RABBITMQ: Final = Row(
    "RabbitMQ",
    [
        Panel(
            "Messages, by queue",
            "That wait (ready) and that workers hold (unacknowledged). dlq.tasks not empty: "
            "docs/runbooks/TaskyardDeadLetterQueueFills.md",
            "short",
            [
                Query(
                    f"sum by (queue) (rabbitmq_detailed_queue_messages_ready{{{SERVERS}}})",
                    "{{queue}}: ready",
                ),
                Query(
                    f"sum by (queue) (rabbitmq_detailed_queue_messages_unacked{{{SERVERS}}})",
                    "{{queue}}: unacknowledged",
                ),
            ],
        ),
        Panel(
            "Consumers, by queue",
            "None while messages are ready: docs/runbooks/TaskyardNoWorkers.md",
            "short",
            [Query(f"sum by (queue) (rabbitmq_detailed_queue_consumers{{{SERVERS}}})", "{{queue}}")],
        ),
        Panel(
            "Memory until publishers are blocked",
            "What is left, by node. At 0: docs/runbooks/TaskyardBrokerAlarm.md",
            "bytes",
            [
                Query(
                    f"rabbitmq_resident_memory_limit_bytes{{{SERVERS}}} "
                    f"- rabbitmq_process_resident_memory_bytes{{{SERVERS}}}",
                    "{{instance}}",
                )
            ],
        ),
        Panel(
            "Disk until publishers are blocked",
            "What is left, by node. It falls: docs/runbooks/TaskyardBrokerDiskFills.md",
            "bytes",
            [
                Query(
                    f"rabbitmq_disk_space_available_bytes{{{SERVERS}}} "
                    f"- rabbitmq_disk_space_available_limit_bytes{{{SERVERS}}}",
                    "{{instance}}",
                )
            ],
        ),
        Panel(
            "Confirmed, redelivered, returned",
            "Messages a second. Redelivered: workers vanish. Returned: docs/runbooks/TaskyardUnroutable.md",
            "ops",
            [
                Query(f"sum(rate(rabbitmq_global_messages_confirmed_total{{{SERVERS}}}{WINDOW}))", "confirmed"),
                Query(f"sum(rate(rabbitmq_global_messages_redelivered_total{{{SERVERS}}}{WINDOW}))", "redelivered"),
                Query(
                    f"sum(rate(rabbitmq_global_messages_unroutable_returned_total{{{SERVERS}}}{WINDOW}))",
                    "returned",
                ),
            ],
        ),
        Panel(
            "Connections",
            "By node. Each worker has a few; a jump: something connects over and over.",
            "short",
            [Query(f"rabbitmq_connections{{{SERVERS}}}", "{{instance}}")],
        ),
    ],
)

POSTGRESQL: Final = Row(
    "PostgreSQL",
    [
        Panel(
            "Connections, by state",
            "In use, and how many there may be: docs/runbooks/TaskyardPostgresConnectionsHigh.md",
            "short",
            [
                Query(f"sum by (state) (pg_stat_activity_count{{{SERVERS}}})", "{{state}}"),
                Query(f"max(pg_settings_max_connections{{{SERVERS}}})", "max_connections"),
            ],
            width=6,
        ),
        Panel(
            "Longest transaction",
            "Minutes are bad: docs/runbooks/TaskyardPostgresLongTransaction.md",
            "s",
            [
                Query(
                    f'max by (datname) (pg_stat_activity_max_tx_duration{{{SERVERS}, state!="idle"}})',
                    "{{datname}}",
                )
            ],
            width=6,
            warn=900,
        ),
        Panel(
            "Dead rows",
            "Rows that wait for autovacuum. ready and moves above 100,000: docs/runbooks/TaskyardPostgresDeadRows.md",
            "short",
            [Query(f"max by (relname) (pg_stat_user_tables_n_dead_tup{{{SERVERS}}})", "{{relname}}")],
            width=6,
        ),
        Panel(
            "Size",
            "Of the databases. TASKYARD_RETENTION_S bounds it: docs/runbooks/TaskyardVolumeFills.md",
            "bytes",
            [Query(f"max by (datname) (pg_database_size_bytes{{{SERVERS}}})", "{{datname}}")],
            width=6,
        ),
    ],
)
