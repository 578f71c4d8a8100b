{{/* The pod that brings the tables to this version. It waits for the server itself. */}}
{{- define "taskyard.migrate.pod" -}}
metadata:
  {{- include "taskyard.pod.metadata" . | nindent 2 }}
spec:
  {{- include "taskyard.pod.spec" . | nindent 2 }}
  restartPolicy: Never
  containers:
    - name: migrate
      {{- include "taskyard.container" . | nindent 6 }}
      {{- /* The roles come when PostgreSQL starts; in an upgrade from before them, it is yet to start anew. */}}
      command: [taskyard, migrate, --wait-s, "300"{{ if eq .root.Values.database.mode "internal" }}, --await-roles{{ end }}]
      env:
        {{- include "taskyard.env" (merge (dict "env" (list "config" "database" "firstKey")) .) | nindent 8 }}
{{- end -}}
