{{/* postgresql.conf. Settings are a map, so that `settings` of the values replaces what is here. */}}
{{- define "postgresql.conf" -}}
{{- $memory := dig "limits" "memory" "1Gi" .Values.resources | include "postgresql.mebibytes" | int64 -}}
{{- $settings := include "postgresql.settings" (dict "memory" $memory) | fromYaml -}}
{{- range $name, $value := mergeOverwrite $settings .Values.settings }}
{{- $text := toString $value }}
{{- if and (kindIs "float64" $value) (eq (floor $value) $value) }}{{ $text = int64 $value | toString }}{{ end }}
{{ $name }} = '{{ $text | replace "'" "''" }}'
{{- end }}

# These belong to the chart.
hba_file = '/etc/postgresql/pg_hba.conf'
ident_file = '/etc/postgresql/pg_ident.conf'
listen_addresses = '*'
port = 5432
unix_socket_directories = '/var/run/postgresql'
password_encryption = 'scram-sha-256'
max_connections = {{ .Values.maxConnections }}
{{- end -}}

{{/* Defaults, by the memory in MiB. */}}
{{- define "postgresql.settings" -}}
shared_buffers: {{ div .memory 4 | max 16 }}MB
effective_cache_size: {{ div (mul .memory 2) 3 | max 32 }}MB
maintenance_work_mem: {{ div .memory 16 | max 16 | min 1024 }}MB
work_mem: 4MB
# Where a node has huge pages and the pod no share of them, touching one kills the server.
huge_pages: "off"
# Fewer, larger checkpoints: each writes every changed page in full once more.
checkpoint_timeout: 15min
max_wal_size: 2GB
min_wal_size: 256MB
wal_compression: lz4
# Volumes of today are not disks that turn.
random_page_cost: "1.1"
# Short statements by key: compiling them costs more than it saves.
jit: "off"
# The tables that change all the time have their own settings of autovacuum, by their migrations.
autovacuum_naptime: 15s
# A client that vanished with its node is noticed within two minutes, and what it holds is free again.
tcp_keepalives_idle: 60
tcp_keepalives_interval: 15
tcp_keepalives_count: 4
client_connection_check_interval: 10s
shared_preload_libraries: pg_stat_statements
track_io_timing: "on"
timezone: UTC
log_timezone: UTC
log_destination: stderr
logging_collector: "off"
log_line_prefix: "%m [%p] %q%u@%d/%a "
log_min_duration_statement: 1s
log_lock_waits: "on"
log_temp_files: 16MB
log_autovacuum_min_duration: 10s
# What is set here by hand would be forgotten, and hidden from whoever reads the values.
allow_alter_system: "off"
{{- end -}}
