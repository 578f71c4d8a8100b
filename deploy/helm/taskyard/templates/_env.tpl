{{/* The environment of the parts. */}}

{{/* A value of the values as text; whole numbers, which Helm reads as floating ones, without an exponent. */}}
{{- define "taskyard.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ toString . }}{{ end -}}
{{- end -}}

{{/*
The variables of a container: those of a part (see _pod.tpl) with `env`, the names of the defines below that say what it
needs, such as (list "config" "database"). What the part's extraEnv names replaces what they say: a name must not come
twice.
*/}}
{{- define "taskyard.env" -}}
{{- $of := . -}}
{{- $extra := .part.extraEnv | default list -}}
{{- $names := list -}}
{{- range $extra }}{{ $names = append $names .name }}{{ end -}}
{{- $env := list -}}
{{- range .env }}
{{- range include (printf "taskyard.env.%s" .) $of | fromYamlArray }}
{{- if not (has .name $names) }}{{ $env = append $env . }}{{ end -}}
{{- end }}
{{- end }}
{{- toYaml (concat $env $extra) -}}
{{- end -}}

{{/* `config` of the values. */}}
{{- define "taskyard.env.config" -}}
{{- range $name, $value := .root.Values.config }}
- name: {{ $name }}
  value: {{ include "taskyard.text" $value | quote }}
{{- end }}
{{- end -}}

{{/*
As whom a part logs in to the chart's own PostgreSQL: the user, and the Secret's key. The migrations are done by the
owner of the tables; charts/postgresql/files/prepare.sh makes the others.
*/}}
{{- define "taskyard.database.login" -}}
{{- $owner := list "taskyard" "password" -}}
{{- eq .component "migrate" | ternary $owner (list (printf "taskyard_%s" .component) (printf "%s-password" .component)) | toYaml -}}
{{- end -}}

{{/* DATABASE_URL, and before it the password that it is made of. */}}
{{- define "taskyard.env.database" -}}
{{- $database := .root.Values.database -}}
{{- $secret := include "taskyard.database.secret" .root -}}
{{- if eq $database.mode "internal" }}
{{- $login := include "taskyard.database.login" . | fromYamlArray }}
- name: TASKYARD_DATABASE_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ index $login 1 }}}
- name: DATABASE_URL
  value: postgresql+psycopg2://{{ index $login 0 }}:$(TASKYARD_DATABASE_PASSWORD)@{{ include "taskyard.database.host" .root }}:5432/taskyard
{{- else }}
{{- $all := dict "secret" $secret "key" (eq $database.mode "cnpg" | ternary "uri" $database.external.urlKey) }}
{{- $own := get $database.urls .component | default $all }}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ $own.secret }}, key: {{ $own.key }}}
{{- end }}
{{- end -}}

{{/* TASKYARD_FIRST_KEY: an API key that `taskyard migrate` records. */}}
{{- define "taskyard.env.firstKey" -}}
{{- with include "taskyard.firstKey" .root }}
- name: TASKYARD_FIRST_KEY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: first-key}
{{- end }}
{{- end -}}

{{/* As whom a part logs in to the chart's own RabbitMQ: the user, and the Secret's key. */}}
{{- define "taskyard.broker.login" -}}
{{- $user := eq .component "rabbitmq-definitions" | ternary "admin" .component -}}
{{- list $user (printf "%s-password" $user) | toYaml -}}
{{- end -}}

{{/* CELERY_BROKER_URL. */}}
{{- define "taskyard.env.broker" -}}
{{- $values := .root.Values -}}
{{- $login := include "taskyard.broker.login" . | fromYamlArray -}}
{{- $secret := include "taskyard.broker.secret" .root -}}
{{- if eq $values.broker.mode "internal" }}
- name: TASKYARD_BROKER_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ index $login 1 }}}
- name: CELERY_BROKER_URL
  value: amqp://{{ index $login 0 }}:$(TASKYARD_BROKER_PASSWORD)@{{ include "taskyard.broker.host" .root }}:5672/
{{- else }}
{{- $all := dict "secret" $secret "key" (eq $values.broker.mode "operator" | ternary "connection_string" $values.broker.external.urlKey) }}
{{- $own := get $values.broker.urls .component | default $all }}
- name: CELERY_BROKER_URL
  valueFrom:
    secretKeyRef: {name: {{ $own.secret }}, key: {{ $own.key }}}
{{- end }}
{{- end -}}

{{/* TASKYARD_BROKER_MANAGEMENT, http://user:password@host:15672 without a path. */}}
{{- define "taskyard.env.management" -}}
{{- $values := .root.Values -}}
{{- $login := include "taskyard.broker.login" . | fromYamlArray -}}
{{- $secret := include "taskyard.broker.secret" .root -}}
{{- $own := include "taskyard.broker.managementUrl" (dict "root" .root "part" (trimPrefix "rabbitmq-" .component)) | fromYaml -}}
{{- if $own }}
- name: TASKYARD_BROKER_MANAGEMENT
  valueFrom:
    secretKeyRef: {name: {{ $own.secret }}, key: {{ $own.key }}}
{{- else }}
{{- $user := index $login 0 }}
{{- if eq $values.broker.mode "operator" }}
{{- $user = "$(TASKYARD_MANAGEMENT_USER)" }}
- name: TASKYARD_MANAGEMENT_USER
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: username}
{{- end }}
- name: TASKYARD_MANAGEMENT_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ eq $values.broker.mode "operator" | ternary "password" (index $login 1) }}}
- name: TASKYARD_BROKER_MANAGEMENT
  value: http://{{ $user }}:$(TASKYARD_MANAGEMENT_PASSWORD)@{{ include "taskyard.broker.host" .root }}:15672
{{- end }}
{{- end -}}

{{- define "taskyard.env.api" -}}
- {name: TASKYARD_AUTH, value: {{ .root.Values.auth.mode }}}
{{- if eq .root.Values.auth.mode "none" }}
# The values said so: it serves on all addresses all the same.
- {name: TASKYARD_AUTH_NONE_ANYWHERE, value: "true"}
{{- end }}
- {name: TASKYARD_API_READERS, value: {{ .root.Values.api.readers | quote }}}
- {name: TASKYARD_API_DRAIN_S, value: {{ .root.Values.api.drainSeconds | quote }}}
- {name: TASKYARD_API_SHUTDOWN_S, value: {{ .root.Values.api.shutdownSeconds | quote }}}
{{- end -}}

{{- define "taskyard.env.dispatcher" -}}
- {name: TASKYARD_DISPATCH_WINDOW, value: {{ include "taskyard.window" .root | quote }}}
- {name: TASKYARD_CANARY_S, value: {{ .root.Values.dispatcher.canarySeconds | quote }}}
{{- end -}}

{{- define "taskyard.env.worker" -}}
# Unique, and the name by which the guard finds the pod.
- {name: TASKYARD_WORKER_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: TASKYARD_POOL, value: {{ .pool }}}
- {name: TASKYARD_QUEUES, value: {{ join "," .part.queues | quote }}}
- {name: TASKYARD_CONCURRENCY, value: {{ .part.concurrency | quote }}}
- {name: TASKYARD_MAX_TASK_S, value: {{ .part.maxTaskSeconds | int64 | quote }}}
- {name: TASKYARD_INTERRUPT_GRACE_S, value: {{ .part.interruptGraceSeconds | quote }}}
{{- if .root.Values.flower.enabled }}
# Else Flower misses what a worker does in its first seconds: all of it, where it came from zero for one task.
- {name: TASKYARD_TASK_EVENTS, value: "true"}
{{- end }}
{{- with .part.handlers }}
- {name: TASKYARD_HANDLERS, value: {{ join "," . | quote }}}
{{- end }}
{{- end -}}

{{- define "taskyard.env.guard" -}}
{{- $selector := list -}}
{{- range $key, $value := include "taskyard.selector" (dict "root" .root "component" "worker") | fromYaml }}
{{- $selector = append $selector (printf "%s=%s" $key $value) }}
{{- end }}
- {name: TASKYARD_GUARD_SELECTOR, value: {{ join "," $selector | quote }}}
- {name: TASKYARD_GUARD_NAMESPACE, value: {{ .root.Release.Namespace }}}
{{- end -}}

{{- define "taskyard.env.flower" -}}
- name: TASKYARD_FLOWER_BROKER_API
  value: $(TASKYARD_BROKER_MANAGEMENT)/api/
- name: TASKYARD_FLOWER_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ include "taskyard.secret" (dict "root" .root "component" "flower") }}, key: password}
- name: TASKYARD_FLOWER_BASIC_AUTH
  value: {{ .root.Values.flower.user }}:$(TASKYARD_FLOWER_PASSWORD)
{{- end -}}
