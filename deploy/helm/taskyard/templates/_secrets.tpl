{{/* Secrets that the chart makes. */}}

{{/*
The Secrets, as a list; keys as `taskyard-kubernetes make-secrets` takes them: {length} of a random value.
Not those of servers that are elsewhere, nor those that the values name.
*/}}
{{- define "taskyard.secrets" -}}
{{- $values := .Values -}}
{{- $logins := dict "postgresql" (list "postgres-password" "password" "api-password" "dispatcher-password" "worker-password" "guard-password") -}}
{{- $_ := set $logins "rabbitmq" (list "dispatcher-password" "worker-password" "keda-password" "flower-password" "admin-password" "erlang-cookie") -}}
{{- $_ := set $logins "flower" (list "password") -}}
{{- $secrets := list -}}
{{- range $component, $names := $logins }}
{{- $of := get $values $component }}
{{- if and $of.enabled (not $of.existingSecret) }}
{{- $keys := dict }}
{{- range $names }}{{ $_ := set $keys . (dict "length" 32) }}{{ end }}
{{- $secrets = append $secrets (dict "component" $component "keys" $keys) }}
{{- end }}
{{- end }}
{{- if and (include "taskyard.firstKey" .) (not .Values.auth.existingSecret) }}
{{- $secrets = append $secrets (dict "component" "auth" "keys" (dict "first-key" (dict "length" 48))) }}
{{- end }}
{{- toYaml $secrets -}}
{{- end -}}

{{/*
The name of the Secret with the first API key, or nothing where there is none: keys are off, or nobody would record a
generated one, as the tables are brought up without the chart.
*/}}
{{- define "taskyard.firstKey" -}}
{{- if and (eq .Values.auth.mode "keys") (or .Values.migrations.enabled .Values.auth.existingSecret) }}
{{- include "taskyard.secret" (dict "root" . "component" "auth") }}
{{- end }}
{{- end -}}

{{/* The name of a component's Secret: (dict "root" $ "component" "rabbitmq"). */}}
{{- define "taskyard.secret" -}}
{{- (get .root.Values .component).existingSecret | default (include "taskyard.name" .) -}}
{{- end -}}

{{/* What the Job of mode job is to make. */}}
{{- define "taskyard.secrets.spec" -}}
{{- $root := . -}}
{{- $spec := list -}}
{{- range include "taskyard.secrets" . | fromYamlArray }}
{{- $of := dict "root" $root "component" .component }}
{{- $labels := include "taskyard.selector" $of | fromYaml }}
{{- $spec = append $spec (dict "name" (include "taskyard.name" $of) "labels" $labels "keys" .keys) }}
{{- end }}
{{- toPrettyJson $spec -}}
{{- end -}}

{{/* The pod of that Job; the hash makes another Job of another spec. */}}
{{- define "taskyard.secrets.pod" -}}
metadata:
  {{- include "taskyard.pod.metadata" (merge (dict "annotations" (dict "taskyard.dev/spec-hash" (include "taskyard.secrets.spec" .root | sha256sum | trunc 16))) .) | nindent 2 }}
spec:
  {{- $part := merge (dict "extraVolumes" (list (dict "name" "spec" "configMap" (dict "name" (include "taskyard.name" .))))) .part }}
  {{- include "taskyard.pod.spec" (merge (dict "part" $part) .) | nindent 2 }}
  restartPolicy: OnFailure
  containers:
    - name: make-secrets
      {{- $part := merge (dict "extraVolumeMounts" (list (dict "name" "spec" "mountPath" "/etc/taskyard" "readOnly" true))) .part }}
      {{- include "taskyard.container" (merge (dict "part" $part) .) | nindent 6 }}
      command: [taskyard-kubernetes, make-secrets, /etc/taskyard/secrets.json]
{{- end -}}
