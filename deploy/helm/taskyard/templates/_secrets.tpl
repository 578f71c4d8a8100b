{{/* Secrets that the chart makes. */}}

{{/*
The Secrets, as a list; keys as `taskyard-kubernetes make-secrets` takes them: {length} of a random value.
Not those of servers that are elsewhere, nor those that the values name.
*/}}
{{- define "taskyard.secrets" -}}
{{- $random := dict "length" 32 -}}
{{- $secrets := list -}}
{{- if and .Values.postgresql.enabled (not .Values.postgresql.existingSecret) }}
{{- $secrets = append $secrets (dict "component" "postgresql" "keys" (dict "postgres-password" $random "password" $random)) }}
{{- end }}
{{- if and .Values.rabbitmq.enabled (not .Values.rabbitmq.existingSecret) }}
{{- $keys := dict }}
{{- range list "password" "keda-password" "flower-password" "admin-password" "erlang-cookie" }}
{{- $_ := set $keys . $random }}
{{- end }}
{{- $secrets = append $secrets (dict "component" "rabbitmq" "keys" $keys) }}
{{- end }}
{{- if and .Values.flower.enabled (not .Values.flower.existingSecret) }}
{{- $secrets = append $secrets (dict "component" "flower" "keys" (dict "password" $random)) }}
{{- end }}
{{- toYaml $secrets -}}
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
