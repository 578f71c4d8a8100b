{{/* The pod that makes a dump: (dict "root" $ "component" "postgresql-backup" "restartPolicy" "Never"). */}}
{{- define "postgresql.backup" -}}
{{- $values := .root.Values -}}
{{- $server := include "taskyard.name" (dict "root" .root "component" "postgresql") -}}
metadata:
  {{- include "postgresql.pod.metadata" . | nindent 2 }}
spec:
  {{- include "postgresql.pod" . | nindent 2 }}
  restartPolicy: {{ .restartPolicy }}
  containers:
    - name: backup
      {{- include "postgresql.container" .root | nindent 6 }}
      command: [sh, /etc/postgresql/backup.sh]
      env:
        - {name: PGHOST, value: {{ $server }}}
        - {name: PGUSER, value: taskyard}
        - {name: PGDATABASE, value: taskyard}
        - {name: PGCONNECT_TIMEOUT, value: "10"}
        - name: PGPASSWORD
          valueFrom:
            secretKeyRef: {name: {{ include "postgresql.secret" .root }}, key: password}
        - {name: KEEP, value: {{ $values.backup.keep | quote }}}
        - {name: LEVEL, value: {{ $values.backup.compressionLevel | quote }}}
      resources:
        {{- toYaml $values.backup.resources | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/postgresql, readOnly: true}
        - {name: backups, mountPath: /backups}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: config
      configMap:
        name: {{ $server }}
    - name: backups
      persistentVolumeClaim:
        claimName: {{ $values.backup.existingClaim | default (include "taskyard.name" .) }}
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
{{- end -}}
