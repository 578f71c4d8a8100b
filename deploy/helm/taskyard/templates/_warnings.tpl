{{/* What works, and may be regretted: a list of texts, for NOTES.txt. */}}
{{- define "taskyard.warnings" -}}
{{- $warnings := list -}}
{{- $values := .Values -}}
{{- if and $values.rabbitmq.enabled (eq (int $values.rabbitmq.replicas) 1) }}
{{- $warnings = append $warnings "One node of RabbitMQ: while it restarts, tasks wait. None is lost. rabbitmq.replicas: 3 goes on without one." }}
{{- end }}
{{- range $server := list "postgresql" "rabbitmq" }}
{{- $of := get $values $server }}
{{- if and $of.enabled (eq (toString ($of.persistence).enabled) "false") }}
{{- $warnings = append $warnings (printf "%s.persistence is off: its data go with its pod." $server) }}
{{- end }}
{{- end }}
{{- if and $values.postgresql.enabled (not ($values.postgresql.backup).enabled) }}
{{- $warnings = append $warnings "No backups: all state is in PostgreSQL. postgresql.backup.enabled makes them." }}
{{- end }}
{{- if and (not $values.api.autoscaling.enabled) (lt (int $values.api.replicas) 2) }}
{{- $warnings = append $warnings "One API: it is away while its node is." }}
{{- end }}
{{- if lt (int $values.dispatcher.replicas) 2 }}
{{- $warnings = append $warnings "One dispatcher: while it restarts, nothing new is handed to workers." }}
{{- end }}
{{- range $name, $pool := include "taskyard.pools" . | fromYaml }}
{{- if gt (add $pool.maxTaskSeconds $pool.interruptGraceSeconds) 600 }}
{{- $warnings = append $warnings (printf "Pool %s may take %d s to end. The cluster autoscaler kills after 600 s where a node goes all the same: raise its --max-graceful-termination-sec." $name (int $pool.graceSeconds)) }}
{{- end }}
{{- end }}
{{- if and (ne $values.autoscaling.mode "none") (not $values.guard.enabled) }}
{{- $warnings = append $warnings "guard.enabled is off: scaling in may pick busy workers, which then finish while idle ones stay." }}
{{- end }}
{{- range $name, $queue := include "taskyard.queues" . | fromYaml }}
{{- if not $queue.pools }}
{{- $warnings = append $warnings (printf "No pool serves the queue %s: its tasks wait." $name) }}
{{- end }}
{{- end }}
{{- $images := dict "api" $values.api.image "dispatcher" $values.dispatcher.image "flower" $values.flower.image }}
{{- range $name, $pool := include "taskyard.pools" . | fromYaml }}
{{- $_ := set $images (printf "workers.pools.%s" $name) $pool.image }}
{{- end }}
{{- range $part, $image := $images }}
{{- $tag := $image.tag | default $values.image.tag | default $.Chart.AppVersion }}
{{- if and (not $image.digest) (not (regexMatch "[0-9]" $tag)) }}
{{- $warnings = append $warnings (printf "%s.image: the tag %s may be moved: pods of the same release may differ. Use a version or a digest." $part $tag) }}
{{- end }}
{{- end }}
{{- if and $values.ingress.enabled (not $values.ingress.tls.enabled) }}
{{- $warnings = append $warnings "ingress.tls is off: tasks travel in clear, unless something before the Ingress encrypts." }}
{{- end }}
{{- if eq $values.auth.mode "none" }}
{{- $warnings = append $warnings "auth.mode is none: whoever reaches the API may do everything." }}
{{- end }}
{{- if not $values.global.networkPolicy.enabled }}
{{- $warnings = append $warnings "global.networkPolicy.enabled is off: any pod of the cluster can reach every port." }}
{{- end }}
{{- range include "taskyard.missing" . | fromYamlArray }}
{{- $warnings = append $warnings . }}
{{- end }}
{{- toYaml $warnings -}}
{{- end -}}

{{/* The APIs that the values need and the cluster does not have, as far as Helm was told what it has. */}}
{{- define "taskyard.missing" -}}
{{- $missing := list -}}
{{- $needs := list (list (eq .Values.autoscaling.mode "keda") "keda.sh/v1alpha1" "autoscaling.mode: keda needs KEDA, https://keda.sh; hpa and none do without") -}}
{{- range list "serviceMonitor" "podMonitor" "rules" -}}
{{- $needs = append $needs (list (get $.Values.monitoring .).enabled "monitoring.coreos.com/v1" (printf "monitoring.%s.enabled: needs the Prometheus Operator" .)) -}}
{{- end -}}
{{- $needs = append $needs (list .Values.gateway.enabled "gateway.networking.k8s.io/v1" "gateway.enabled: needs the Gateway API") -}}
{{- $needs = append $needs (list (eq .Values.database.mode "cnpg") "postgresql.cnpg.io/v1" "database.mode: cnpg needs CloudNativePG") -}}
{{- $needs = append $needs (list (eq .Values.broker.mode "operator") "rabbitmq.com/v1beta1" "broker.mode: operator needs the RabbitMQ Cluster Operator") -}}
{{- /* A cluster has this API; what `helm template` assumes does not. */}}
{{- if .Capabilities.APIVersions.Has "apiregistration.k8s.io/v1" }}
{{- range $need := $needs }}
{{- if and (index $need 0) (not ($.Capabilities.APIVersions.Has (index $need 1))) }}
{{- $missing = append $missing (index $need 2) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $missing -}}
{{- end -}}
