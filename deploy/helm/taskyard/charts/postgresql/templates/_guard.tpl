{{/*
Fails where the cluster runs another major of PostgreSQL. Where the cluster is not asked (helm template, GitOps), or the
image has no tag, the pod's own check remains.
*/}}
{{- define "postgresql.guard" -}}
{{- if and .Values.upgradeGuard (not ((.Values.global).gitops).enabled) -}}
{{- $name := include "taskyard.name" (dict "root" . "component" "postgresql") -}}
{{- $live := lookup "apps/v1" "StatefulSet" .Release.Namespace $name | default dict -}}
{{- range dig "spec" "template" "spec" "containers" list $live }}
{{- if eq .name "postgresql" }}
{{- include "postgresql.guard.step" (dict "old" .image "new" (include "taskyard.image" (dict "root" $ "image" $.Values.image))) }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* From the image `old` to the image `new`: the same major. */}}
{{- define "postgresql.guard.step" -}}
{{- $pattern := ":[0-9]+[^/@:]*$" -}}
{{- $old := regexFind $pattern .old | regexFind "[0-9]+" -}}
{{- $new := regexFind $pattern .new | regexFind "[0-9]+" -}}
{{- if and $old $new (ne $old $new) }}
{{- printf "\nPostgreSQL %s runs here, and %s cannot read its data. Set postgresql.image.tag to %s.x; to move to %s, dump with the one and restore with the other (docs/backup.md). Whoever knows better sets postgresql.upgradeGuard: false." $old $new $old $new | fail }}
{{- end }}
{{- end -}}
