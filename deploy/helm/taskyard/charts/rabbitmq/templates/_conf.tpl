{{/* rabbitmq.conf. */}}
{{- define "rabbitmq.conf" -}}
# Nodes and their cluster. The pod with number 0 begins it, the others join; Kubernetes itself is not asked.
cluster_name = {{ include "taskyard.name" (dict "root" . "component" "rabbitmq") }}
cluster_formation.peer_discovery_backend = k8s
cluster_formation.target_cluster_size_hint = {{ .Values.replicas }}

# Users, virtual host, exchanges, queues and policies, loaded at every start: what was removed by hand comes back. They
# bring all users; where there are definitions, RabbitMQ makes no guest.
definitions.import_backend = local_filesystem
definitions.local.path = /definitions
anonymous_login_user = none
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = AMQPLAIN

# Queues: their leaders spread over the nodes, and a member on each as nodes come.
queue_leader_locator = balanced
quorum_queue.continuous_membership_reconciliation.enabled = true
quorum_queue.continuous_membership_reconciliation.target_group_size = {{ .Values.replicas }}
quorum_queue.property_equivalence.relaxed_checks_on_redeclaration = true
consumer_timeout = {{ mul .Values.consumerTimeoutSeconds 1000 }}

# What a later version removes is refused already.
deprecated_features.permit.amqp_address_v1 = false
deprecated_features.permit.global_qos = false
deprecated_features.permit.queue_master_locator = false
deprecated_features.permit.transient_nonexcl_queues = false

# Bounds, at which publishers are stopped.
{{- with dig "limits" "memory" "" .Values.resources }}
total_memory_available_override_value = {{ include "rabbitmq.memory" . }}
{{- end }}
vm_memory_high_watermark.relative = {{ .Values.memoryHighWatermark }}
disk_free_limit.absolute = {{ .Values.diskFreeLimit }}

listeners.tcp.default = 5672
management.tcp.port = 15672
# KEDA reads the depth of queues by the management API.
deprecated_features.permit.management_metrics_collection = true
management.disable_stats = false
management_agent.disable_metrics_collector = false
prometheus.tcp.port = 15692
prometheus.return_per_object_metrics = false

log.console = true
log.console.level = {{ .Values.logLevel }}
log.console.formatter = json
log.file = false
{{- with .Values.extraConfig }}

# rabbitmq.extraConfig.
{{ . | trim }}
{{- end }}
{{- end -}}
