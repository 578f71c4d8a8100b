{{/*
What the schema cannot judge. All that is wrong is said at once, each with the value to change.
*/}}
{{- define "taskyard.validate" -}}
{{- $wrong := list -}}
{{- range list "names" "secrets" "servers" "pools" "connections" "autoscaling" "routes" "cluster" -}}
{{- $wrong = concat $wrong (include (printf "taskyard.validate.%s" .) $ | fromYamlArray) -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\n%d of the values will not do:\n- %s\n" (len $wrong) (join "\n- " $wrong)) -}}
{{- end -}}
{{- end -}}

{{/* Of the names that Helm takes, a Service's may have no dot, and no digit first. */}}
{{- define "taskyard.validate.names" -}}
{{- $wrong := list -}}
{{- $name := include "taskyard.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- $wrong = append $wrong (printf "global.fullnameOverride: needed with a release named %q: names begin with a letter and have no dot" $name) }}
{{- end }}
{{- toYaml $wrong -}}
{{- end -}}

{{- define "taskyard.validate.secrets" -}}
{{- $wrong := list -}}
{{- if and .Values.global.gitops.enabled (eq .Values.secrets.mode "generate") }}
{{- $wrong = append $wrong "secrets.mode: generate makes other secrets at each rendering; with global.gitops.enabled it must be job or existing" }}
{{- end }}
{{- if eq .Values.secrets.mode "existing" }}
{{- range list "postgresql" "rabbitmq" "flower" }}
{{- $part := get $.Values . }}
{{- if and $part.enabled (not $part.existingSecret) }}
{{- $wrong = append $wrong (printf "%s.existingSecret: needed with secrets.mode existing: the name of your Secret" .) }}
{{- end }}
{{- end }}
{{- if and (eq .Values.auth.mode "keys") .Values.migrations.enabled (not .Values.auth.existingSecret) }}
{{- $wrong = append $wrong "auth.existingSecret: needed with secrets.mode existing: the name of your Secret" }}
{{- end }}
{{- end }}
{{- if and (eq .Values.auth.mode "keys") .Values.tests.enabled (not (include "taskyard.firstKey" .)) }}
{{- $wrong = append $wrong "auth.existingSecret: needed with tests.enabled where migrations.enabled is false: helm test needs a key, and the chart records none" }}
{{- end }}
{{- toYaml $wrong -}}
{{- end -}}

{{- define "taskyard.validate.servers" -}}
{{- $wrong := list -}}
{{- range $role, $server := dict "database" "postgresql" "broker" "rabbitmq" }}
{{- $of := get $.Values $role }}
{{- $enabled := (get $.Values $server).enabled }}
{{- if and (eq $of.mode "internal") (not $enabled) }}
{{- $wrong = append $wrong (printf "%s.mode: internal needs %s.enabled true" $role $server) }}
{{- else if and (ne $of.mode "internal") $enabled }}
{{- $wrong = append $wrong (printf "%s.enabled: must be false with %s.mode %s" $server $role $of.mode) }}
{{- end }}
{{- if and (eq $of.mode "external") (not $of.external.existingSecret) }}
{{- $wrong = append $wrong (printf "%s.external.existingSecret: needed with %s.mode external: the name of your Secret" $role $role) }}
{{- end }}
{{- range list "urls" "managementUrls" }}
{{- if and (eq $of.mode "internal") (get $of .) }}
{{- $wrong = append $wrong (printf "%s.%s: not with %s.mode internal, where each part has a login that the chart makes" $role . $role) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $wrong -}}
{{- end -}}

{{- define "taskyard.validate.pools" -}}
{{- $wrong := list -}}
{{- $queues := include "taskyard.queues" . | fromYaml -}}
{{- if ne (len $queues) (len .Values.global.queues) }}
{{- $wrong = append $wrong "global.queues: a name is there twice" }}
{{- end }}
{{- range $name, $pool := .Values.workers.pools }}
{{- /* The name of no pool may make worker-<pool> what another release calls one of its parts. */}}
{{- range splitList "-" $name }}
{{- if has . (list "keda" "worker" "api" "dispatcher" "guard" "flower" "migrate" "make" "postgresql" "rabbitmq" "scripts" "test" "tls" "dashboard" "rules") }}
{{- $wrong = append $wrong (printf "workers.pools.%s: %q is the name of a part; call the pool otherwise" $name .) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $pool := include "taskyard.pools" . | fromYaml }}
{{- if not $pool.queues }}
{{- $wrong = append $wrong (printf "workers.pools.%s.queues: needed: the queues that the pool serves" $name) }}
{{- end }}
{{- if ne (len $pool.queues) (uniq $pool.queues | len) }}
{{- $wrong = append $wrong (printf "workers.pools.%s.queues: a name is there twice" $name) }}
{{- end }}
{{- range $queue := $pool.queues }}
{{- if not (hasKey $queues $queue) }}
{{- $wrong = append $wrong (printf "workers.pools.%s.queues: %q is not in global.queues (%s)" $name $queue (keys $queues | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- end }}
{{- $least := include "taskyard.leastWindow" . | int }}
{{- $window := include "taskyard.window" . | int }}
{{- if lt $window $least }}
{{- $wrong = append $wrong (printf "dispatcher.window: %d is less than twice the slots of the busiest queue, %d: workers would wait for the dispatcher" $window $least) }}
{{- end }}
{{- if ge $window (int .Values.rabbitmq.maxLength) }}
{{- $wrong = append $wrong (printf "rabbitmq.maxLength: %d must be more than the window of the dispatcher, %d" (int .Values.rabbitmq.maxLength) $window) }}
{{- end }}
{{- toYaml $wrong -}}
{{- end -}}

{{- define "taskyard.validate.connections" -}}
{{- $wrong := list -}}
{{- $most := include "taskyard.database.maxConnections" . | int -}}
{{- $needed := include "taskyard.connections" . | int -}}
{{- if and $most (gt $needed $most) }}
{{- $value := dict "internal" "postgresql.maxConnections" "external" "database.external.maxConnections" "cnpg" "database.cnpg.maxConnections" }}
{{- $wrong = append $wrong (printf "%s: all parts at their largest open up to %d connections, the server takes %d; raise it, or lower max or concurrency of workers.pools, or api.autoscaling.max" (get $value .Values.database.mode) $needed $most) }}
{{- end }}
{{- toYaml $wrong -}}
{{- end -}}

{{- define "taskyard.validate.autoscaling" -}}
{{- $wrong := list -}}
{{- $mode := .Values.autoscaling.mode -}}
{{- with .Values.api.autoscaling }}
{{- if and .enabled (gt (int .min) (int .max)) }}
{{- $wrong = append $wrong (printf "api.autoscaling.min: %d is more than max, %d" (int .min) (int .max)) }}
{{- end }}
{{- end }}
{{- if ne $mode "none" }}
{{- range $name, $pool := include "taskyard.pools" . | fromYaml }}
{{- if gt (int $pool.min) (int $pool.max) }}
{{- $wrong = append $wrong (printf "workers.pools.%s.min: %d is more than max, %d" $name (int $pool.min) (int $pool.max)) }}
{{- end }}
{{- if and (eq $mode "hpa") (eq (int $pool.min) 0) }}
{{- $wrong = append $wrong (printf "workers.pools.%s.min: 0 needs autoscaling.mode keda: processor time cannot wake a pool without pods" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $wrong -}}
{{- end -}}

{{- define "taskyard.validate.routes" -}}
{{- $wrong := list -}}
{{- $ingress := .Values.ingress -}}
{{- $gateway := .Values.gateway -}}
{{- if and $ingress.enabled $gateway.enabled }}
{{- $wrong = append $wrong "ingress.enabled, gateway.enabled: one of them at most" }}
{{- end }}
{{- if and $ingress.enabled (not $ingress.host) }}
{{- $wrong = append $wrong "ingress.host: needed with ingress.enabled" }}
{{- end }}
{{- if and $gateway.enabled (not $gateway.parentRefs) }}
{{- $wrong = append $wrong "gateway.parentRefs: needed with gateway.enabled: the Gateway to attach to" }}
{{- end }}
{{- if and $gateway.enabled $gateway.flowerHost (not $gateway.host) }}
{{- $wrong = append $wrong "gateway.host: needed with gateway.flowerHost" }}
{{- end }}
{{- range $name, $route := dict "ingress" $ingress "gateway" $gateway }}
{{- if and $route.enabled $route.flowerHost }}
{{- if eq $route.host $route.flowerHost }}
{{- $wrong = append $wrong (printf "%s.flowerHost: must not be that of the API" $name) }}
{{- end }}
{{- if not $.Values.flower.enabled }}
{{- $wrong = append $wrong (printf "%s.flowerHost: needs flower.enabled" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $wrong -}}
{{- end -}}

{{/* With GitOps what is missing may come in the same sync: NOTES.txt warns instead. */}}
{{- define "taskyard.validate.cluster" -}}
{{- if .Values.global.gitops.enabled }}[]{{ else }}{{ include "taskyard.missing" . }}{{ end -}}
{{- end -}}
