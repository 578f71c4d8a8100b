{{/* What RabbitMQ is to have besides users: queues as the parts declare them, and policies, as its definitions. */}}

{{/*
A policy's definition, with the consumer timeout for tasks of so many seconds: (dict "root" $ "seconds" 360), 0 for the
server's own. Only policies bound a queue; of its arguments the type alone is set, since arguments cannot be changed.
*/}}
{{- define "taskyard.policy" -}}
delivery-limit: {{ int .root.Values.rabbitmq.deliveryLimit }}
dead-letter-exchange: tasks.dlx
dead-letter-strategy: at-least-once
overflow: reject-publish
max-length: {{ int64 .root.Values.rabbitmq.maxLength }}
{{- with .seconds }}
consumer-timeout: {{ include "taskyard.consumerTimeout" . }}
{{- end }}
{{- end -}}

{{- define "taskyard.definitions" -}}
{{- $root := . -}}
{{- $vhost := include "taskyard.broker.vhost" . -}}
{{- $queue := dict "vhost" $vhost "durable" true "auto_delete" false "arguments" (dict "x-queue-type" "quorum") -}}
{{- $queues := list (merge (dict "name" "dlq.tasks") $queue) -}}
{{- $policies := list -}}
{{- range $name, $of := include "taskyard.queues" . | fromYaml }}
{{- $queues = append $queues (merge (dict "name" (printf "tasks.%s" $name)) $queue) }}
{{- $policy := include "taskyard.policy" (dict "root" $root "seconds" $of.maxTaskSeconds) | fromYaml }}
{{- $policy = dict "name" (printf "tasks.%s" $name) "pattern" (printf "^tasks\\.%s$" (replace "." "\\." $name)) "definition" $policy "priority" 1 }}
{{- $policies = append $policies (merge $policy (dict "vhost" $vhost "apply-to" "queues")) }}
{{- end }}
{{- $policy := include "taskyard.policy" (dict "root" . "seconds" 0) | fromYaml }}
{{- $policy = dict "name" "taskyard" "pattern" "^tasks\\." "definition" $policy "priority" 0 }}
{{- $policies = prepend $policies (merge $policy (dict "vhost" $vhost "apply-to" "queues")) }}
{{- $exchange := dict "name" "tasks.dlx" "vhost" $vhost "type" "fanout" "durable" true "auto_delete" false "internal" false "arguments" dict -}}
{{- $binding := dict "source" "tasks.dlx" "vhost" $vhost "destination" "dlq.tasks" "destination_type" "queue" "routing_key" "" "arguments" dict -}}
{{- dict "vhosts" (list (dict "name" $vhost)) "exchanges" (list $exchange) "queues" $queues "bindings" (list $binding) "policies" $policies | toPrettyJson -}}
{{- end -}}

{{/* The pod that applies them; the hash in its annotations makes another Job of other definitions. */}}
{{- define "taskyard.definitions.pod" -}}
{{- $hash := printf "%s%s" (include "taskyard.definitions" .root) (.root.Files.Get "scripts/apply_definitions.py") | sha256sum | trunc 16 -}}
metadata:
  {{- include "taskyard.pod.metadata" (merge (dict "annotations" (dict "taskyard.dev/definitions-hash" $hash)) .) | nindent 2 }}
spec:
  {{- include "taskyard.pod.spec" . | nindent 2 }}
  restartPolicy: OnFailure
  containers:
    - name: definitions
      {{- include "taskyard.container" . | nindent 6 }}
      command: [python, /etc/taskyard/scripts/apply_definitions.py, /etc/taskyard/definitions/definitions.json]
      env:
        {{- include "taskyard.env" (merge (dict "env" (list "management")) .) | nindent 8 }}
{{- end -}}
