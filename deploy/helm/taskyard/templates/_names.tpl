{{/*
Names, labels and images. Subcharts use these too, and get the same results: nothing here reads any values but
`global`, and nothing of `.Chart` goes into a name or a selector.
*/}}

{{/* What every name begins with: the release's name. Release names are unique in a namespace, so names are. */}}
{{- define "taskyard.fullname" -}}
{{- (.Values.global).fullnameOverride | default .Release.Name -}}
{{- end -}}

{{/*
The name of an object: (dict "root" $ "component" "worker-default"). At most 46 characters, so that what Kubernetes
appends still fits: a ReplicaSet's and a pod's hash, a StatefulSet's revision, a CronJob's time. A longer one is cut,
and told apart by 8 digits of the whole one's hash.
*/}}
{{- define "taskyard.name" -}}
{{- $whole := printf "%s-%s" (include "taskyard.fullname" .root) .component -}}
{{- if gt (len $whole) 46 -}}
{{- printf "%s-%s" ($whole | trunc 37 | trimSuffix "-") ($whole | sha256sum | trunc 8) -}}
{{- else -}}
{{- $whole -}}
{{- end -}}
{{- end -}}

{{/*
What selects pods: (dict "root" $ "component" "worker" "pool" "default"), `pool` for workers only. Never changes
between versions: selectors are immutable.
*/}}
{{- define "taskyard.selector" -}}
app.kubernetes.io/name: taskyard
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
taskyard.dev/pool: {{ . }}
{{- end }}
{{- end -}}

{{/* Labels of an object, arguments as of taskyard.selector. */}}
{{- define "taskyard.labels" -}}
{{ include "taskyard.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: taskyard
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with (.root.Values.global).commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
An object's metadata: (dict "root" $ "component" "api"), and where they differ `name` (of the object, as a component),
`pool`, `annotations`.
*/}}
{{- define "taskyard.metadata" -}}
name: {{ include "taskyard.name" (dict "root" .root "component" (.name | default .component)) }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "taskyard.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) ((.root.Values.global).commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
A reference to an image: (dict "root" $ "image" .Values.image). `image` has registry, repository, tag, digest; the
global registry comes before its own, a digest before the tag.
*/}}
{{- define "taskyard.image" -}}
{{- $registry := (.root.Values.global).imageRegistry | default .image.registry -}}
{{- $name := .image.repository -}}
{{- if $registry }}{{ $name = printf "%s/%s" ($registry | trimSuffix "/") $name }}{{ end -}}
{{- if .image.digest }}{{ printf "%s@%s" $name .image.digest }}{{ else }}{{ printf "%s:%s" $name (toString .image.tag) }}{{ end -}}
{{- end -}}

{{/* The lines `imagePullSecrets` of a pod, or nothing; the argument is the root. */}}
{{- define "taskyard.imagePullSecrets" -}}
{{- with (.Values.global).imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* A RoleBinding of a component's service account to its Role of the same name. */}}
{{- define "taskyard.rolebinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "taskyard.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "taskyard.name" . }}
subjects:
  - kind: ServiceAccount
    name: {{ include "taskyard.name" . }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}
