{{/* The pod. The reason of each of these is in examples/kustomize/base/deployment.yaml. */}}

{{- define "gitops-prefix.pod" -}}
serviceAccountName: {{ include "gitops-prefix.serviceAccountName" . | quote }}
automountServiceAccountToken: {{ include "gitops-prefix.roles" . | fromYamlArray | empty | not }}
# A Service of this name would set GITOPS_PREFIX_... variables of its own.
enableServiceLinks: false
{{- if ne .Values.source "static" }}
hostNetwork: true
{{- end }}
{{- with .Values.dnsPolicy | default (ternary "" "ClusterFirstWithHostNet" (eq .Values.source "static")) }}
dnsPolicy: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- range $key := list "priorityClassName" "runtimeClassName" }}
{{- with get $.Values $key }}
{{ $key }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "imagePullSecrets" "hostAliases" "dnsConfig" }}
{{- with get $.Values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with include "gitops-prefix.affinity" . }}
affinity:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  {{- /* Without a selector it would count no pod. */}}
  {{- $selector := dict "labelSelector" (dict "matchLabels" (include "gitops-prefix.selectorLabels" $ | fromYaml)) }}
  {{- $ours := ternary dict $selector (hasKey . "labelSelector") }}
  - {{ merge $ours (deepCopy .) | toYaml | nindent 4 | trim }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: gitops-prefix
    image: {{ include "gitops-prefix.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    {{- if ne .Values.source "routerAdvertisement" }}
    # The interpreter without the file capability.
    command: [python, -m, gitops_prefix]
    {{- end }}
    args:
      - {{ ternary "doctor" "run" (hasKey . "doctor") }}
      {{- range .Values.args }}
      - {{ . | quote }}
      {{- end }}
    env:
      {{- range $name, $value := include "gitops-prefix.environment" . | fromYaml }}
      - name: {{ $name }}
        value: {{ $value | quote }}
      {{- end }}
      {{- if hasKey . "doctor" }}
      # It clones into a directory of its own.
      - name: TMPDIR
        value: /var/lib/gitops-prefix
      {{- end }}
      {{- with .Values.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .Values.envFrom }}
    envFrom:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if not (hasKey . "doctor") }}
    ports:
      - name: http
        containerPort: {{ .Values.http.port }}
        protocol: TCP
      {{- if (.Values.webhook).enabled }}
      - name: webhook
        containerPort: {{ .Values.webhook.port }}
        protocol: TCP
      {{- end }}
    {{- range $probe, $path := dict "livenessProbe" "/healthz" "readinessProbe" "/readyz" "startupProbe" "/healthz" }}
    {{- with get $.Values $probe }}
    {{ $probe }}:
      httpGet:
        path: {{ $path }}
        port: http
        {{- with include "gitops-prefix.httpAddress" $ }}
        host: {{ . | quote }}
        {{- end }}
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- end }}
    {{- end }}
    resources:
      {{- include "gitops-prefix.resources" . | trim | nindent 6 }}
    securityContext:
      {{- include "gitops-prefix.securityContext" . | nindent 6 }}
    volumeMounts:
      {{- range include "gitops-prefix.mounts" . | fromYamlArray }}
      - {{ omit . "volume" | toYaml | nindent 8 | trim }}
      {{- end }}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- if not (hasKey . "doctor") }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
volumes:
  {{- range include "gitops-prefix.mounts" . | fromYamlArray }}
  - name: {{ .name }}
    {{- toYaml .volume | nindent 4 }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Replicas on nodes of their own, where that can be: one node's link is one. */}}
{{- define "gitops-prefix.affinity" -}}
{{- if .Values.affinity }}
{{- toYaml .Values.affinity }}
{{- else if and (eq .Values.kind "Deployment") (gt (int .Values.replicas) 1) }}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "gitops-prefix.selectorLabels" . | nindent 12 }}
{{- end }}
{{- end }}

{{/* The file capability of the image's interpreter is the raw socket's, and no_new_privs would take
it away. Nothing but NET_RAW is there to gain. */}}
{{- define "gitops-prefix.securityContext" -}}
{{- $raw := eq .Values.source "routerAdvertisement" }}
{{- $capabilities := dict "drop" (list "ALL") }}
{{- if $raw }}
{{- $_ := set $capabilities "add" (list "NET_RAW") }}
{{- end }}
{{- $context := dict "allowPrivilegeEscalation" $raw "capabilities" $capabilities "privileged" false "readOnlyRootFilesystem" true }}
{{- /* `mergeOverwrite` would leave a `false` out. */}}
{{- range $key, $value := .Values.securityContext }}
{{- $_ := set $context $key $value }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{/* Each volume where it is mounted. */}}
{{- define "gitops-prefix.mounts" -}}
- name: clone
  mountPath: /var/lib/gitops-prefix
  volume:
    {{- if and .Values.persistence.enabled (not (hasKey . "doctor")) }}
    persistentVolumeClaim:
      claimName: {{ default (printf "%s-clone" (include "gitops-prefix.fullname" .)) .Values.persistence.existingClaim | quote }}
    {{- else }}
    emptyDir:
      sizeLimit: {{ .Values.cloneSizeLimit | quote }}
    {{- end }}
{{- if eq .Values.auth.method "ssh" }}
{{ include "gitops-prefix.secretMount" (dict "name" "deploy-key" "path" "ssh" "secret" .Values.auth.ssh.existingSecret) }}
{{- else if eq .Values.auth.method "token" }}
{{ include "gitops-prefix.secretMount" (dict "name" "token" "path" "token" "secret" .Values.auth.token.existingSecret) }}
{{- else if eq .Values.auth.method "githubApp" }}
{{ include "gitops-prefix.secretMount" (dict "name" "github-app" "path" "github-app" "secret" .Values.auth.githubApp.existingSecret) }}
{{- end }}
{{- with .Values.http.existingSecret }}
{{ include "gitops-prefix.secretMount" (dict "name" "listen-token" "path" "listen" "secret" .) }}
{{- end }}
{{- if (.Values.webhook).enabled }}
{{ include "gitops-prefix.secretMount" (dict "name" "webhook" "path" "webhook" "secret" .Values.webhook.existingSecret) }}
{{- with .Values.webhook.tls.existingSecret }}
{{ include "gitops-prefix.secretMount" (dict "name" "webhook-tls" "path" "webhook-tls" "secret" .) }}
{{- end }}
{{- end }}
{{- with .Values.signing.existingSecret }}
{{ include "gitops-prefix.secretMount" (dict "name" "signing-key" "path" "signing" "secret" .) }}
{{- end }}
{{- if .Values.pullRequest.forge }}
{{- with .Values.pullRequest.existingSecret }}
{{ include "gitops-prefix.secretMount" (dict "name" "forge-token" "path" "forge" "secret" .) }}
{{- end }}
{{- end }}
{{- if .Values.notify.hooks }}
{{- with .Values.notify.existingSecret }}
{{ include "gitops-prefix.secretMount" (dict "name" "notify-secret" "path" "notify" "secret" .) }}
{{- end }}
{{- end }}
{{- with .Values.ca.existingConfigMap }}
- name: ca
  mountPath: /etc/gitops-prefix/ca
  readOnly: true
  volume:
    configMap:
      name: {{ . | quote }}
{{- end }}
{{- if include "gitops-prefix.files" . | trim }}
- name: config
  mountPath: /etc/gitops-prefix/config
  readOnly: true
  volume:
    configMap:
      name: {{ include "gitops-prefix.fullname" . | quote }}
{{- end }}
- name: tmp
  mountPath: /tmp
  volume:
    emptyDir:
      medium: Memory
      sizeLimit: 16Mi
{{- end }}

{{/* A secret's files: Kubernetes adds the group's read permission, for fsGroup. */}}
{{- define "gitops-prefix.secretMount" -}}
- name: {{ .name }}
  mountPath: /etc/gitops-prefix/{{ .path }}
  readOnly: true
  volume:
    secret:
      secretName: {{ .secret | quote }}
      defaultMode: 0400
{{- end }}

{{/* The daemon takes 45 MiB, and git's children come and go. What talks to the API server is a process of its own, of 65. */}}
{{- define "gitops-prefix.resources" -}}
{{- if .Values.resources }}
{{- toYaml .Values.resources }}
{{- else }}
{{- $more := include "gitops-prefix.roles" . | fromYamlArray | empty | not }}
requests:
  cpu: 10m
  memory: {{ ternary "128Mi" "64Mi" $more }}
limits:
  memory: {{ ternary "384Mi" "256Mi" $more }}
{{- end }}
{{- end }}
