{{/* SPDX-License-Identifier: BSD-2-Clause */}}

{{- define "mpc-bpf-agent.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "mpc-bpf-agent.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "mpc-bpf-agent.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "mpc-bpf-agent.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mpc-bpf-agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mpc-bpf-agent.labels" -}}
{{ include "mpc-bpf-agent.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: mpc-wallet-monitoring
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "mpc-bpf-agent.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "mpc-bpf-agent.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "mpc-bpf-agent.image" -}}
{{- with .Values.image -}}
{{- $name := printf "%s/%s" .registry .repository | trimPrefix "/" -}}
{{- if .digest -}}
{{- printf "%s@%s" $name .digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the agent may do, each for a reason; README.md has the table. */}}
{{- define "mpc-bpf-agent.securityContext" -}}
{{- if .Values.privileged }}
privileged: true
{{- else }}
allowPrivilegeEscalation: {{ has "SYS_ADMIN" .Values.extraCapabilities }}
capabilities:
  drop: [ALL]
  add:
    - BPF              # load the programs and their maps
    - PERFMON          # attach them to uprobes and tracepoints, read kernel structures
    - SYS_PTRACE       # see what processes of other users execute, compare the code in their memory
    - DAC_READ_SEARCH  # open executables that only their owner may read; read NODE_ID
    - LEASE            # have a writer of a watched executable wait until its probes are off
    - SETUID           # read debug information as nobody
    - SETGID           # the same
    {{- range .Values.extraCapabilities }}
    - {{ . }}
    {{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}
readOnlyRootFilesystem: true
# Capabilities given to a container are effective only for its root.
runAsUser: 0
runAsGroup: 0
runAsNonRoot: false
{{- if .Values.appArmorProfile }}
appArmorProfile: {type: {{ .Values.appArmorProfile }}}
{{- end }}
{{- end -}}

{{/* The container of the agent, for both modes. Takes (dict "context" $ "sidecar" BOOL). */}}
{{- define "mpc-bpf-agent.container" -}}
{{- $sidecar := .sidecar -}}
{{- with .context -}}
name: mpc-bpf-agent
image: {{ include "mpc-bpf-agent.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - run
  - --web.listen-address=:{{ .Values.agent.port }}
  - --log.level={{ .Values.agent.logLevel }}
  - --log.format={{ .Values.agent.logFormat }}
  {{- if .Values.profile }}
  - --profile=/etc/mpc-bpf-agent/profile/profile.yaml
  {{- end }}
  {{- if .Values.webConfig.existingSecret }}
  - --web.config.file=/etc/mpc-bpf-agent/web/web.yml
  {{- end }}
  {{- range .Values.agent.extraArgs }}
  - {{ . | quote }}
  {{- end }}
ports:
  - {name: agent-metrics, containerPort: {{ .Values.agent.port }}, protocol: TCP}
# A restart costs the counts of the agent: only where it does not even take a connection.
livenessProbe:
  tcpSocket: {port: agent-metrics}
  periodSeconds: 20
  failureThreshold: 6
{{- /* In a node's pod the agent's trouble must not take the node out of service. */}}
{{- if not $sidecar }}
readinessProbe:
  {{- if .Values.webConfig.existingSecret }}
  tcpSocket: {port: agent-metrics}
  {{- else }}
  httpGet: {path: /healthz, port: agent-metrics}
  {{- end }}
  periodSeconds: 10
{{- end }}
resources: {{- toYaml .Values.resources | nindent 2 }}
securityContext: {{- include "mpc-bpf-agent.securityContext" . | trim | nindent 2 }}
{{- end -}}
{{- end -}}

{{- define "mpc-bpf-agent.mounts" -}}
{{- if and .Values.profile (eq .Values.mode "daemonset") }}
- {name: profile, mountPath: /etc/mpc-bpf-agent/profile, readOnly: true}
{{- end }}
{{- if .Values.packs.volume }}
- {name: {{ .Values.packs.volume }}, mountPath: /usr/lib/mpc-bpf-agent/packs, readOnly: true}
{{- else if or .Values.packs.configMap .Values.packs.hostPath }}
- {name: packs, mountPath: /usr/lib/mpc-bpf-agent/packs, readOnly: true}
{{- end }}
{{- if .Values.webConfig.existingSecret }}
- {name: web-config, mountPath: /etc/mpc-bpf-agent/web, readOnly: true}
{{- end }}
{{- end -}}

{{- define "mpc-bpf-agent.volumes" -}}
{{- if and .Values.profile (eq .Values.mode "daemonset") }}
- name: profile
  configMap: {name: {{ include "mpc-bpf-agent.fullname" . }}-profile}
{{- end }}
{{- if .Values.packs.configMap }}
- name: packs
  configMap: {name: {{ .Values.packs.configMap }}}
{{- else if .Values.packs.hostPath }}
- name: packs
  hostPath: {path: {{ .Values.packs.hostPath }}, type: Directory}
{{- end }}
{{- if .Values.webConfig.existingSecret }}
- name: web-config
  secret: {secretName: {{ .Values.webConfig.existingSecret }}, defaultMode: 0400}
{{- end }}
{{- end -}}

{{/*
For the chart of the node: the container that goes into its pod, which must have shareProcessNamespace: true.

  containers:
    {{- include "mpc-bpf-agent.sidecar" (dict "subchart" (index .Subcharts "mpc-bpf-agent")) | nindent 4 }}
  volumes:
    {{- include "mpc-bpf-agent.sidecarVolumes" (dict "subchart" (index .Subcharts "mpc-bpf-agent")) | nindent 4 }}
*/}}
{{- define "mpc-bpf-agent.sidecar" -}}
{{- $agent := .subchart -}}
{{- $container := include "mpc-bpf-agent.container" (dict "context" $agent "sidecar" true) -}}
- {{ $container | nindent 2 | trim }}
{{- with include "mpc-bpf-agent.mounts" $agent | trim }}
  volumeMounts: {{- . | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "mpc-bpf-agent.sidecarVolumes" -}}
{{- include "mpc-bpf-agent.volumes" .subchart | trim -}}
{{- end -}}

{{/* What cannot be meant, in one sentence. */}}
{{- define "mpc-bpf-agent.check" -}}
{{- $sidecar := eq .Values.mode "sidecar" -}}
{{- if and $sidecar .Values.serviceMonitor.enabled }}{{ fail "serviceMonitor is for mode daemonset: sidecars have no Service of this chart; use podMonitor.enabled" }}{{ end -}}
{{- if and $sidecar .Values.networkPolicy.enabled }}{{ fail "networkPolicy is for mode daemonset: in mode sidecar it would cut the nodes off from each other; let Prometheus reach the agent's port in the policy of the nodes" }}{{ end -}}
{{- if and $sidecar .Values.profile }}{{ fail "profile is for mode daemonset: in mode sidecar mount your profile into the pod and name it in agent.extraArgs" }}{{ end -}}
{{- if and $sidecar .Values.packs.hostPath }}{{ fail "packs.hostPath is for mode daemonset: in mode sidecar use packs.configMap, or put the pack into the node's image" }}{{ end -}}
{{- if and .Values.packs.volume (not $sidecar) }}{{ fail "packs.volume is for mode sidecar: an agent of its own has no pod of a node; use packs.configMap or packs.hostPath" }}{{ end -}}
{{- if gt (len (compact (list .Values.packs.configMap .Values.packs.hostPath .Values.packs.volume))) 1 }}{{ fail "packs names more than one of configMap, hostPath and volume: packs are mounted from one place" }}{{ end -}}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}{{ fail "serviceMonitor and podMonitor are enabled both: every sample would count twice" }}{{ end -}}
{{- if and .Values.appArmorProfile (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) }}{{ fail (printf "appArmorProfile needs Kubernetes 1.30 or newer, this is %s" .Capabilities.KubeVersion.Version) }}{{ end -}}
{{- end -}}
