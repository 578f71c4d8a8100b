{{/* What the programs of `helm test` are told. */}}

{{- define "taskyard.test.task" -}}
{{- $queues := list -}}
{{- range $name, $queue := include "taskyard.queues" . | fromYaml }}
{{- if $queue.pools }}{{ $queues = append $queues $name }}{{ end -}}
{{- end }}
- name: TEST_API
  value: http://{{ include "taskyard.name" (dict "root" . "component" "api") }}:{{ .Values.api.service.port }}
{{- with include "taskyard.firstKey" . }}
- name: TEST_KEY
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: first-key}
{{- end }}
- name: TEST_METRICS
  value: http://{{ include "taskyard.name" (dict "root" . "component" "api-metrics") }}:9100/metrics
- name: TEST_QUEUES
  value: {{ join "," $queues | quote }}
- name: TEST_TASK_S
  value: {{ .Values.tests.taskSeconds | quote }}
{{- end -}}

{{- define "taskyard.test.scaling" -}}
{{- $names := include "taskyard.scaledObjects" . | fromYamlArray -}}
- name: TEST_NAMESPACE
  value: {{ .Release.Namespace }}
- name: TEST_SCALED_OBJECTS
  value: {{ join "," $names | quote }}
- name: TEST_READY_S
  value: "60"
{{- end -}}

{{- define "taskyard.scaledObjects" -}}
{{- $names := list -}}
{{- range $name, $_ := include "taskyard.pools" . | fromYaml }}
{{- $names = append $names (include "taskyard.name" (dict "root" $ "component" (printf "worker-%s" $name))) }}
{{- end }}
{{- toYaml $names -}}
{{- end -}}
