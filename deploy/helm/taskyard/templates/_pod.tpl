{{/*
Pods. What these take is a part of Taskyard:
(dict "root" $ "component" "api" "part" .Values.api), for workers also "pool", and where it differs "image", "tmpSize".
*/}}

{{/* Labels and annotations of a pod. No version of the chart: it would start all pods anew. */}}
{{- define "taskyard.pod.metadata" -}}
{{- $pods := include "taskyard.pod.settings" . | fromYaml -}}
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

{{/* `pods` of the values, with the part's own merged over it. */}}
{{- define "taskyard.pod.settings" -}}
{{- toYaml (mergeOverwrite (deepCopy .root.Values.pods) (deepCopy ((.part).pods | default dict))) -}}
{{- end -}}

{{/*
What all pods' specs have in common. `token` (true) mounts a token of the API server, `account` is the component whose
service account it is.
*/}}
{{- define "taskyard.pod.spec" -}}
{{- $pods := include "taskyard.pod.settings" . | fromYaml -}}
serviceAccountName: {{ include "taskyard.name" (dict "root" .root "component" (.account | default .component)) }}
automountServiceAccountToken: {{ .token | default false }}
{{- /* Else each service of the namespace is a variable of the environment: one named flower sets FLOWER_PORT, which
Flower takes for its own. */}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
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
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: {{ .tmpSize | default "64Mi" }}
  {{- with (.part).extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Spread of a Deployment's pods over nodes and zones, as well as it goes. */}}
{{- define "taskyard.pod.spread" -}}
{{- $pods := include "taskyard.pod.settings" . | fromYaml -}}
topologySpreadConstraints:
{{- if $pods.topologySpreadConstraints }}
  {{- toYaml $pods.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- $selector := include "taskyard.selector" . }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end -}}

{{/* The image of a part: its own settings before those of all. */}}
{{- define "taskyard.pod.image" -}}
{{- $all := .root.Values.image -}}
{{- $own := .image | default .part.image -}}
{{- $image := dict "repository" $own.repository "digest" $own.digest "registry" ($own.registry | default $all.registry) -}}
{{- $_ := set $image "tag" ($own.tag | default $all.tag | default .root.Chart.AppVersion) -}}
{{- include "taskyard.image" (dict "root" .root "image" $image) -}}
{{- end -}}

{{/* What all containers have in common, but their command and their environment. */}}
{{- define "taskyard.container" -}}
image: {{ include "taskyard.pod.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml .part.resources | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- with .part.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Probes: `probePort`, and `startup`, `live`, `ready` as paths; (startup has live's). */}}
{{- define "taskyard.probes" -}}
{{- $of := . -}}
{{- range $probe, $path := dict "startup" .live "liveness" .live "readiness" .ready }}
{{ $probe }}Probe:
  httpGet:
    path: {{ $path }}
    port: {{ $of.probePort }}
  timeoutSeconds: 5
  {{- toYaml (index $of.part.probes $probe) | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An init container that waits until the tables are at this version, or newer. */}}
{{- define "taskyard.waitForSchema" -}}
- name: wait-for-schema
  {{- include "taskyard.container" . | nindent 2 }}
  command: [taskyard, wait-for-schema, --wait-s, {{ .root.Values.migrations.waitSeconds | quote }}]
  env:
    {{- include "taskyard.env" (merge (dict "env" (list "config" "database")) .) | nindent 4 }}
{{- end -}}

{{/* An HPA's metrics: percent of the requested processor time. */}}
{{- define "taskyard.hpa.cpu" -}}
- type: Resource
  resource:
    name: cpu
    target: {type: Utilization, averageUtilization: {{ . }}}
{{- end -}}

{{/* A PodDisruptionBudget: `part` has pdb. Pods that are not ready never hold up a drain. */}}
{{- define "taskyard.pdb" -}}
{{- if .part.pdb.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "taskyard.metadata" . | nindent 2 }}
spec:
  maxUnavailable: {{ .part.pdb.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "taskyard.selector" . | nindent 6 }}
{{- end }}
{{- end -}}
