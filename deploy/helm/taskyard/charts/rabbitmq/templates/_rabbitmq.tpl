{{/* Names are the parent's defines: taskyard.name, taskyard.metadata, taskyard.selector, taskyard.image. */}}

{{- define "rabbitmq.secret" -}}
{{- .Values.existingSecret | default (include "taskyard.name" (dict "root" . "component" "rabbitmq")) -}}
{{- end -}}

{{/* An amount of memory, as Kubernetes writes it, in bytes. */}}
{{- define "rabbitmq.bytes" -}}
{{- if kindIs "float64" . }}{{ int64 . }}
{{- else }}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- mulf (regexFind "^[0-9.]+" . | float64) (regexFind "[A-Za-z]*$" . | get $units) | int64 }}
{{- end -}}
{{- end -}}

{{/* What RabbitMQ takes for the memory it has: the rest of the limit is for what Erlang needs beside it. */}}
{{- define "rabbitmq.memory" -}}
{{- $limit := include "rabbitmq.bytes" . | int64 -}}
{{- sub $limit (min (div $limit 5) 2147483648) -}}
{{- end -}}

{{/* A node's place in the cluster, and how the command line tools reach it. */}}
{{- define "rabbitmq.env" -}}
- name: POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: RABBITMQ_USE_LONGNAME
  value: "true"
- name: RABBITMQ_NODENAME
  value: rabbit@$(POD_NAME).{{ include "taskyard.name" (dict "root" . "component" "rabbitmq-nodes") }}.{{ .Release.Namespace }}
- name: HOME
  value: /var/lib/rabbitmq
{{- end -}}

{{/* What all containers here have in common. */}}
{{- define "rabbitmq.container" -}}
image: {{ include "taskyard.image" (dict "root" . "image" .Values.image) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}

{{/* What all pods here have in common: (dict "root" $ "component" "rabbitmq"). 999 is rabbitmq in the official image. */}}
{{- define "rabbitmq.pod" -}}
{{- $pods := .root.Values.pods -}}
serviceAccountName: {{ include "taskyard.name" (dict "root" .root "component" "rabbitmq") }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 999
  runAsGroup: 999
  fsGroup: 999
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- include "taskyard.imagePullSecrets" .root }}
{{- with $pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $pods.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pods.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pods.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Labels and annotations of a pod, as of taskyard.metadata. No version of the chart: it would start all anew. */}}
{{- define "rabbitmq.pod.metadata" -}}
{{- $pods := .root.Values.pods -}}
labels:
  {{- include "taskyard.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: taskyard
  {{- with merge (dict) $pods.labels ((.root.Values.global).commonLabels | default dict) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) $pods.annotations ((.root.Values.global).commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
