{{/* What follows from the values. */}}

{{/* Host of PostgreSQL, and the name of the Secret that leads there. */}}
{{- define "taskyard.database.host" -}}
{{- include "taskyard.name" (dict "root" . "component" "postgresql") -}}
{{- end -}}

{{- define "taskyard.database.secret" -}}
{{- $database := .Values.database -}}
{{- if eq $database.mode "internal" }}{{ include "taskyard.secret" (dict "root" . "component" "postgresql") }}
{{- else if eq $database.mode "external" }}{{ $database.external.existingSecret }}
{{- else }}{{ include "taskyard.database.cluster" . }}-app{{ end -}}
{{- end -}}

{{/* Name of CloudNativePG's Cluster. */}}
{{- define "taskyard.database.cluster" -}}
{{- .Values.database.cnpg.existingCluster | default (include "taskyard.database.host" .) -}}
{{- end -}}

{{/* Connections that the database takes; 0: unknown. */}}
{{- define "taskyard.database.maxConnections" -}}
{{- $database := .Values.database -}}
{{- if eq $database.mode "internal" }}{{ int .Values.postgresql.maxConnections }}
{{- else }}{{ int (get $database $database.mode).maxConnections }}{{ end -}}
{{- end -}}

{{/* Host of RabbitMQ, the name of the Secret that leads there, and of the operator's RabbitmqCluster. */}}
{{- define "taskyard.broker.host" -}}
{{- if eq .Values.broker.mode "operator" }}{{ include "taskyard.broker.cluster" . }}
{{- else }}{{ include "taskyard.name" (dict "root" . "component" "rabbitmq") }}{{ end -}}
{{- end -}}

{{- define "taskyard.broker.secret" -}}
{{- $broker := .Values.broker -}}
{{- if eq $broker.mode "internal" }}{{ include "taskyard.secret" (dict "root" . "component" "rabbitmq") }}
{{- else if eq $broker.mode "external" }}{{ $broker.external.existingSecret }}
{{- else }}{{ include "taskyard.broker.cluster" . }}-default-user{{ end -}}
{{- end -}}

{{- define "taskyard.broker.cluster" -}}
{{- .Values.broker.operator.existingCluster | default (include "taskyard.name" (dict "root" . "component" "rabbitmq")) -}}
{{- end -}}

{{- define "taskyard.broker.vhost" -}}
{{- eq .Values.broker.mode "external" | ternary .Values.broker.external.vhost "/" -}}
{{- end -}}

{{/*
Where a part (flower, keda, definitions) finds its URL of RabbitMQ's management API: {secret, key}; {} where the chart
puts it together: (dict "root" $ "part" "keda").
*/}}
{{- define "taskyard.broker.managementUrl" -}}
{{- $broker := .root.Values.broker -}}
{{- $all := dict "secret" $broker.external.existingSecret "key" $broker.external.managementUrlKey -}}
{{- get $broker.managementUrls .part | default (eq $broker.mode "external" | ternary $all dict) | toYaml -}}
{{- end -}}

{{/*
The pools that are on, as a map by name: what a pool has, merged over workers.defaults, and what follows:
graceSeconds  that a pod has to end: any attempt ends within maxTaskSeconds and the interrupt grace; the rest is spare
cooldownSeconds  without work before the pool goes to zero: longer than a pod takes to end
podsMin, podsMax  by the autoscaling mode
safeToEvict  whether a node may be given up with a pod on it: the cluster autoscaler waits for 600 s at most
*/}}
{{- define "taskyard.pools" -}}
{{- $values := .Values -}}
{{- $pools := dict -}}
{{- range $name, $own := .Values.workers.pools }}
{{- $pool := mergeOverwrite (deepCopy $values.workers.defaults) (deepCopy ($own | default dict)) }}
{{- if $pool.enabled }}
{{- $_ := set $pool "queues" ($pool.queues | default list) }}
{{- $grace := add $pool.maxTaskSeconds $pool.interruptGraceSeconds 55 }}
{{- $_ := set $pool "graceSeconds" $grace }}
{{- $cooldown := $values.autoscaling.keda.cooldownSeconds }}
{{- $_ := set $pool "cooldownSeconds" (kindIs "invalid" $cooldown | ternary (max 300 (add $grace 30)) $cooldown) }}
{{- $fixed := eq $values.autoscaling.mode "none" }}
{{- $_ := set $pool "podsMin" ($fixed | ternary $pool.replicas $pool.min) }}
{{- $_ := set $pool "podsMax" ($fixed | ternary $pool.replicas $pool.max) }}
{{- if kindIs "invalid" $pool.safeToEvict }}{{ $_ := set $pool "safeToEvict" (le (int $pool.maxTaskSeconds) 600) }}{{ end }}
{{- $_ := set $pools $name $pool }}
{{- end }}
{{- end }}
{{- toYaml $pools -}}
{{- end -}}

{{/* By queue: `slots` of all its pools at their largest, `maxTaskSeconds` of the longest, `pools` as a count. */}}
{{- define "taskyard.queues" -}}
{{- $queues := dict -}}
{{- range .Values.global.queues }}
{{- $_ := set $queues .name (dict "slots" 0 "maxTaskSeconds" 0 "pools" 0) }}
{{- end }}
{{- range $pool := include "taskyard.pools" . | fromYaml }}
{{- range $pool.queues }}
{{- with get $queues . }}
{{- $_ := set . "slots" (add .slots (mul $pool.podsMax $pool.concurrency)) }}
{{- $_ := set . "maxTaskSeconds" (max .maxTaskSeconds $pool.maxTaskSeconds) }}
{{- $_ := set . "pools" (add1 .pools) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $queues -}}
{{- end -}}

{{/* Twice the slots of the busiest queue. */}}
{{- define "taskyard.leastWindow" -}}
{{- $slots := 0 -}}
{{- range include "taskyard.queues" . | fromYaml }}{{ $slots = max $slots .slots }}{{ end -}}
{{- mul 2 $slots -}}
{{- end -}}

{{/* Tasks of a queue in RabbitMQ at most. */}}
{{- define "taskyard.window" -}}
{{- if .Values.dispatcher.window }}{{ int .Values.dispatcher.window }}
{{- else }}{{ max 1000 (include "taskyard.leastWindow" . | int) }}{{ end -}}
{{- end -}}

{{/* Milliseconds that RabbitMQ leaves a message unacknowledged, for tasks of so many seconds. */}}
{{- define "taskyard.consumerTimeout" -}}
{{- max 1800000 (mul 1000 (add . 600)) -}}
{{- end -}}

{{/*
Database connections of all parts at their largest, in the middle of a rollout, when a quarter of the pods is there
twice, with 12 for the guard, the migration, pods that start, and PostgreSQL's own 3.
*/}}
{{- define "taskyard.connections" -}}
{{- $api := .Values.api -}}
{{- $pods := $api.autoscaling.enabled | ternary $api.autoscaling.max $api.replicas -}}
{{- $sum := mul (include "taskyard.surged" $pods | int) (add $api.readers 2) -}}
{{- $sum = add $sum (mul 3 (add1 .Values.dispatcher.replicas)) -}}
{{- range include "taskyard.pools" . | fromYaml }}
{{- $sum = add $sum (mul (include "taskyard.surged" .podsMax | int) (add1 .concurrency)) -}}
{{- end }}
{{- add $sum 12 -}}
{{- end -}}

{{- define "taskyard.surged" -}}
{{- ceil (mulf . 1.25) | int -}}
{{- end -}}

{{/* The components that run, servers aside: each has a service account and a network policy. */}}
{{- define "taskyard.accounts" -}}
{{- $accounts := list "api" "dispatcher" "worker" -}}
{{- if .Values.guard.enabled }}{{ $accounts = append $accounts "guard" }}{{ end -}}
{{- if .Values.flower.enabled }}{{ $accounts = append $accounts "flower" }}{{ end -}}
{{- if .Values.migrations.enabled }}{{ $accounts = append $accounts "migrate" }}{{ end -}}
{{- if eq .Values.secrets.mode "job" }}{{ $accounts = append $accounts "make-secrets" }}{{ end -}}
{{- if include "taskyard.definitions.apply" . }}{{ $accounts = append $accounts "rabbitmq-definitions" }}{{ end -}}
{{- if .Values.tests.enabled }}{{ $accounts = append $accounts "test" }}{{ end -}}
{{- toYaml $accounts -}}
{{- end -}}

{{/* "true" where a Job brings queues and policies to a RabbitMQ that does not load them at its start. */}}
{{- define "taskyard.definitions.apply" -}}
{{- $broker := .Values.broker -}}
{{- if or (ne $broker.mode "external") $broker.external.applyDefinitions }}true{{ end -}}
{{- end -}}

{{/* "q0 + q1": the sum of a ScaledObject's triggers. */}}
{{- define "taskyard.keda.sum" -}}
{{- $names := list -}}
{{- range $index, $_ := . }}{{ $names = append $names (printf "q%d" $index) }}{{ end -}}
{{- join " + " $names -}}
{{- end -}}
