{{/* Metadata of what a Prometheus picks by its labels: arguments as of taskyard.metadata. */}}
{{- define "taskyard.monitoring.metadata" -}}
{{- $metadata := include "taskyard.metadata" . | fromYaml -}}
{{- $_ := set $metadata "labels" (mergeOverwrite $metadata.labels (deepCopy .root.Values.monitoring.additionalLabels)) -}}
{{- toYaml $metadata -}}
{{- end -}}
