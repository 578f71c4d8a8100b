{{/* Names are the parent's defines: taskyard.name, taskyard.metadata, taskyard.selector, taskyard.image. */}}

{{- define "postgresql.secret" -}}
{{- .Values.existingSecret | default (include "taskyard.name" (dict "root" . "component" "postgresql")) -}}
{{- end -}}

{{/* An amount of memory, as Kubernetes writes it, in MiB. */}}
{{- define "postgresql.mebibytes" -}}
{{- if kindIs "float64" . }}{{ divf . 1048576 | int64 }}
{{- else }}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- $bytes := mulf (regexFind "^[0-9.]+" . | float64) (regexFind "[A-Za-z]*$" . | get $units) }}
{{- divf $bytes 1048576 | int64 }}
{{- end -}}
{{- end -}}

{{/* What all containers of PostgreSQL's image here have in common. */}}
{{- define "postgresql.container" -}}
image: {{ include "taskyard.image" (dict "root" . "image" .Values.image) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{ include "postgresql.confined" . }}
{{- end -}}

{{- define "postgresql.confined" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}

{{/* What all pods here have in common: (dict "root" $ "component" "postgresql"). 999 is postgres in the official image. */}}
{{- define "postgresql.pod" -}}
{{- $pods := .root.Values.pods -}}
serviceAccountName: {{ include "taskyard.name" (dict "root" .root "component" "postgresql") }}
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
{{- define "postgresql.pod.metadata" -}}
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

{{/* The data's folder below /var/lib/postgresql is the image's PGDATA, which has the major in its name. */}}
{{- define "postgresql.mounts" -}}
- {name: config, mountPath: /etc/postgresql, readOnly: true}
- {name: data, mountPath: /var/lib/postgresql}
- {name: run, mountPath: /var/run/postgresql}
- {name: tmp, mountPath: /tmp}
- {name: shm, mountPath: /dev/shm}
{{- end -}}
