{{/* The pod of the Job that enables feature flags. */}}
{{- define "rabbitmq.featureFlags" -}}
{{- $values := .root.Values -}}
{{- $nodes := include "taskyard.name" (dict "root" .root "component" "rabbitmq-nodes") -}}
metadata:
  {{- include "rabbitmq.pod.metadata" . | nindent 2 }}
spec:
  {{- include "rabbitmq.pod" . | nindent 2 }}
  restartPolicy: OnFailure
  # Both give the pod a name with a domain, without which Erlang does not talk to nodes that have one.
  hostname: feature-flags
  subdomain: {{ $nodes }}
  containers:
    - name: feature-flags
      {{- include "rabbitmq.container" .root | nindent 6 }}
      command: [sh, /etc/rabbitmq/feature-flags.sh]
      env:
        - name: NODE
          value: rabbit@{{ include "taskyard.name" (dict "root" .root "component" "rabbitmq") }}-0.{{ $nodes }}.{{ .root.Release.Namespace }}
        - name: NODES
          value: {{ $values.replicas | quote }}
        - name: HOME
          value: /var/lib/rabbitmq
      resources:
        {{- toYaml $values.featureFlags.resources | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/rabbitmq, readOnly: true}
        - {name: secrets, mountPath: /secrets, readOnly: true}
        - {name: home, mountPath: /var/lib/rabbitmq}
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: config
      configMap:
        name: {{ include "taskyard.name" (dict "root" .root "component" "rabbitmq") }}
    - name: secrets
      secret:
        secretName: {{ include "rabbitmq.secret" .root }}
        items:
          - {key: erlang-cookie, path: erlang-cookie}
    - name: home
      emptyDir: {medium: Memory, sizeLimit: 16Mi}
    - name: tmp
      emptyDir: {sizeLimit: 32Mi}
{{- end -}}
