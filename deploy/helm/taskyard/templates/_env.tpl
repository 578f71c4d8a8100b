{{/* The environment of the parts. */}}

{{/* A value of the values as text; whole numbers, which Helm reads as floating ones, without an exponent. */}}
{{- define "taskyard.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ toString . }}{{ end -}}
{{- end -}}

{{/*
Joins `blocks`, texts of YAML lists, and `extra`, a list, into one list of variables. What `extra` names replaces what
the blocks say: a name must not come twice.
*/}}
{{- define "taskyard.env" -}}
{{- $names := list -}}
{{- range .extra }}{{ $names = append $names .name }}{{ end -}}
{{- $env := list -}}
{{- range .blocks }}
{{- range fromYamlArray . }}
{{- if not (has .name $names) }}{{ $env = append $env . }}{{ end -}}
{{- end }}
{{- end }}
{{- toYaml (concat $env (.extra | default list)) -}}
{{- end -}}

{{/* `config` of the values. */}}
{{- define "taskyard.env.config" -}}
{{- range $name, $value := .Values.config }}
- name: {{ $name }}
  value: {{ include "taskyard.text" $value | quote }}
{{- end }}
{{- end -}}

{{/* DATABASE_URL, and before it the password that it is made of. */}}
{{- define "taskyard.env.database" -}}
{{- $secret := include "taskyard.database.secret" . -}}
{{- if eq .Values.database.mode "internal" }}
- name: TASKYARD_DATABASE_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: password}
- name: DATABASE_URL
  value: postgresql+psycopg2://taskyard:$(TASKYARD_DATABASE_PASSWORD)@{{ include "taskyard.database.host" . }}:5432/taskyard
{{- else }}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ eq .Values.database.mode "cnpg" | ternary "uri" .Values.database.external.urlKey }}}
{{- end }}
{{- end -}}

{{/* CELERY_BROKER_URL: (dict "root" $ "user" "taskyard" "key" "password"), user and key for the chart's own RabbitMQ. */}}
{{- define "taskyard.env.broker" -}}
{{- $values := .root.Values -}}
{{- $secret := include "taskyard.broker.secret" .root -}}
{{- if eq $values.broker.mode "internal" }}
- name: TASKYARD_BROKER_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ .key }}}
- name: CELERY_BROKER_URL
  value: amqp://{{ .user }}:$(TASKYARD_BROKER_PASSWORD)@{{ include "taskyard.broker.host" .root }}:5672/
{{- else }}
- name: CELERY_BROKER_URL
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ eq $values.broker.mode "operator" | ternary "connection_string" $values.broker.external.urlKey }}}
{{- end }}
{{- end -}}

{{/* TASKYARD_BROKER_MANAGEMENT, http://user:password@host:15672 without a path; arguments as of taskyard.env.broker. */}}
{{- define "taskyard.env.management" -}}
{{- $values := .root.Values -}}
{{- $secret := include "taskyard.broker.secret" .root -}}
{{- if eq $values.broker.mode "external" }}
- name: TASKYARD_BROKER_MANAGEMENT
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ $values.broker.external.managementUrlKey }}}
{{- else }}
{{- $user := .user }}
{{- if eq $values.broker.mode "operator" }}
{{- $user = "$(TASKYARD_MANAGEMENT_USER)" }}
- name: TASKYARD_MANAGEMENT_USER
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: username}
{{- end }}
- name: TASKYARD_MANAGEMENT_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ eq $values.broker.mode "operator" | ternary "password" .key }}}
- name: TASKYARD_BROKER_MANAGEMENT
  value: http://{{ $user }}:$(TASKYARD_MANAGEMENT_PASSWORD)@{{ include "taskyard.broker.host" .root }}:15672
{{- end }}
{{- end -}}

{{- define "taskyard.api.env" -}}
- {name: TASKYARD_API_READERS, value: {{ .Values.api.readers | quote }}}
- {name: TASKYARD_API_SHUTDOWN_S, value: {{ .Values.api.shutdownSeconds | quote }}}
{{- end -}}

{{- define "taskyard.dispatcher.env" -}}
- {name: TASKYARD_DISPATCH_WINDOW, value: {{ include "taskyard.window" . | quote }}}
- {name: TASKYARD_CANARY_S, value: {{ .Values.dispatcher.canarySeconds | quote }}}
{{- end -}}

{{/* (dict "name" "default" "pool" $pool) */}}
{{- define "taskyard.worker.env" -}}
# Unique, and the name by which the guard finds the pod.
- {name: TASKYARD_WORKER_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: TASKYARD_POOL, value: {{ .name }}}
- {name: TASKYARD_QUEUES, value: {{ join "," .pool.queues | quote }}}
- {name: TASKYARD_CONCURRENCY, value: {{ .pool.concurrency | quote }}}
- {name: TASKYARD_MAX_TASK_S, value: {{ .pool.maxTaskSeconds | int64 | quote }}}
- {name: TASKYARD_INTERRUPT_GRACE_S, value: {{ .pool.interruptGraceSeconds | quote }}}
{{- with .pool.handlers }}
- {name: TASKYARD_HANDLERS, value: {{ join "," . | quote }}}
{{- end }}
{{- end -}}

{{- define "taskyard.guard.env" -}}
{{- $selector := list -}}
{{- range $key, $value := include "taskyard.selector" (dict "root" . "component" "worker") | fromYaml }}
{{- $selector = append $selector (printf "%s=%s" $key $value) }}
{{- end }}
- {name: TASKYARD_GUARD_SELECTOR, value: {{ join "," $selector | quote }}}
- {name: TASKYARD_GUARD_NAMESPACE, value: {{ .Release.Namespace }}}
{{- end -}}

{{- define "taskyard.flower.env" -}}
- name: TASKYARD_FLOWER_BROKER_API
  value: $(TASKYARD_BROKER_MANAGEMENT)/api/
- name: TASKYARD_FLOWER_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ include "taskyard.secret" (dict "root" . "component" "flower") }}, key: password}
- name: TASKYARD_FLOWER_BASIC_AUTH
  value: {{ .Values.flower.user }}:$(TASKYARD_FLOWER_PASSWORD)
{{- end -}}
