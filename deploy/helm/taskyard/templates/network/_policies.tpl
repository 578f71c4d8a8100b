{{/* Who may talk to whom. Arguments are the root. */}}

{{/* From where Prometheus scrapes. */}}
{{- define "taskyard.from.monitoring" -}}
{{- with .Values.global.networkPolicy.monitoringNamespace }}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ . }}}
{{- else }}
- namespaceSelector: {}
{{- end }}
{{- end -}}

{{/* From where users come; nothing: from anywhere, outside the cluster too. */}}
{{- define "taskyard.from.users" -}}
{{- range .Values.global.networkPolicy.ingressNamespaces }}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ . }}}
{{- end }}
{{- end -}}

{{- define "taskyard.from.tests" -}}
- podSelector:
    matchLabels:
      {{- include "taskyard.selector" (dict "root" . "component" "test") | nindent 6 }}
{{- end -}}

{{/* The pods of a component, of this release. */}}
{{- define "taskyard.to" -}}
- podSelector:
    matchLabels:
      {{- include "taskyard.selector" . | nindent 6 }}
{{- end -}}

{{/* Rules of ingress by component, as YAML; a component without any takes no connection. */}}
{{- define "taskyard.ingress.api" -}}
- ports: [{port: http}]
  {{- with include "taskyard.from.users" . }}
  from:
    {{- . | trim | nindent 4 }}
    {{- include "taskyard.from.tests" $ | nindent 4 }}
  {{- end }}
- ports: [{port: metrics}]
  from:
    {{- include "taskyard.from.monitoring" . | trim | nindent 4 }}
    {{- include "taskyard.from.tests" . | nindent 4 }}
{{- end -}}

{{- define "taskyard.ingress.metrics" -}}
- ports: [{port: metrics}]
  from:
    {{- include "taskyard.from.monitoring" . | trim | nindent 4 }}
{{- end -}}

{{- define "taskyard.ingress.flower" -}}
- ports: [{port: http}]
  from:
    {{- include "taskyard.from.monitoring" . | trim | nindent 4 }}
{{- if or (and .Values.ingress.enabled .Values.ingress.flowerHost) (and .Values.gateway.enabled .Values.gateway.flowerHost) }}
- ports: [{port: http}]
  {{- with include "taskyard.from.users" . }}
  from:
    {{- . | trim | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Rules of egress to one thing each. */}}
{{- define "taskyard.egress.dns" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- end -}}

{{- define "taskyard.egress.database" -}}
{{- if eq .Values.database.mode "external" }}
- {}
{{- else }}
- ports: [{port: 5432}]
  to:
    {{- if eq .Values.database.mode "internal" }}
    {{- include "taskyard.to" (dict "root" . "component" "postgresql") | nindent 4 }}
    {{- else }}
    - podSelector:
        matchLabels: {cnpg.io/cluster: {{ include "taskyard.database.cluster" . }}}
    {{- end }}
{{- end }}
{{- end -}}

{{- define "taskyard.egress.broker" -}}
{{- if eq .Values.broker.mode "external" }}
- {}
{{- else }}
- ports: [{port: 5672}, {port: 15672}]
  to:
    {{- if eq .Values.broker.mode "internal" }}
    {{- include "taskyard.to" (dict "root" . "component" "rabbitmq") | nindent 4 }}
    {{- else }}
    - podSelector:
        matchLabels: {app.kubernetes.io/name: {{ include "taskyard.broker.cluster" . }}}
    {{- end }}
{{- end }}
{{- end -}}

{{- define "taskyard.egress.api" -}}
- ports: [{port: 8000}, {port: 9100}]
  to:
    {{- include "taskyard.to" (dict "root" . "component" "api") | nindent 4 }}
{{- end -}}

{{/* The API server of Kubernetes has no pods to select. */}}
{{- define "taskyard.egress.kubernetes" -}}
- ports: [{port: 443}, {port: 6443}]
{{- end -}}

{{/* What each component takes and needs: names of the rules above. A worker's handlers may go anywhere. */}}
{{- define "taskyard.network" -}}
api: {ingress: [api], egress: [dns, database]}
dispatcher: {ingress: [metrics], egress: [dns, database, broker]}
worker: {ingress: [metrics]}
guard: {ingress: [metrics], egress: [dns, database, kubernetes]}
flower: {ingress: [flower], egress: [dns, broker]}
migrate: {ingress: [], egress: [dns, database]}
make-secrets: {ingress: [], egress: [dns, kubernetes]}
rabbitmq-definitions: {ingress: [], egress: [dns, broker]}
test: {ingress: [], egress: [dns, api, kubernetes]}
{{- end -}}
