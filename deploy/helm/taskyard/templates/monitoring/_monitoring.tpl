{{/* Metadata of what a Prometheus picks by its labels: arguments as of taskyard.metadata. */}}
{{- define "taskyard.monitoring.metadata" -}}
{{- $metadata := include "taskyard.metadata" . | fromYaml -}}
{{- $_ := set $metadata "labels" (mergeOverwrite $metadata.labels (deepCopy .root.Values.monitoring.additionalLabels)) -}}
{{- toYaml $metadata -}}
{{- end -}}

{{/*
How targets are called, whatever the release is: alerts and dashboards go by these labels. Arguments as of taskyard.metadata.
*/}}
{{- define "taskyard.monitoring.relabelings" -}}
- {targetLabel: job, replacement: taskyard-{{ .component }}}
- {targetLabel: release, replacement: {{ .root.Release.Name | quote }}}
{{- end -}}
