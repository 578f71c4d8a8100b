{{/*
Fails where the cluster runs a RabbitMQ from which this one is not to be reached in place. Where the cluster is not
asked (helm template, GitOps), or the image has no tag, the pod's own check remains.
*/}}
{{- define "rabbitmq.guard" -}}
{{- if and .Values.upgradeGuard (not ((.Values.global).gitops).enabled) -}}
{{- $name := include "taskyard.name" (dict "root" . "component" "rabbitmq") -}}
{{- $live := lookup "apps/v1" "StatefulSet" .Release.Namespace $name | default dict -}}
{{- range dig "spec" "template" "spec" "containers" list $live }}
{{- if eq .name "rabbitmq" }}
{{- include "rabbitmq.guard.step" (dict "old" .image "new" (include "taskyard.image" (dict "root" $ "image" $.Values.image))) }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* From the image `old` to the image `new`: the same minor of the same major, or the next. */}}
{{- define "rabbitmq.guard.step" -}}
{{- $pattern := ":[0-9]+[.][0-9]+[^/@]*$" -}}
{{- $old := regexFind $pattern .old | regexFind "[0-9]+[.][0-9]+" -}}
{{- $new := regexFind $pattern .new | regexFind "[0-9]+[.][0-9]+" -}}
{{- if and $old $new }}
{{- $from := splitList "." $old }}
{{- $to := splitList "." $new }}
{{- $step := sub (index $to 1 | int) (index $from 1 | int) }}
{{- if or (ne (index $from 0) (index $to 0)) (lt $step 0) (gt $step 1) }}
{{- printf "\nRabbitMQ %s runs here, and %s cannot take over its data: it goes up one minor at a time, with all feature flags enabled before, and never back. Set rabbitmq.image.tag to %s.x or %s.%d.x first. Whoever knows better sets rabbitmq.upgradeGuard: false." $old $new $old (index $from 0) (add1 (index $from 1 | int)) | fail }}
{{- end }}
{{- end }}
{{- end -}}
