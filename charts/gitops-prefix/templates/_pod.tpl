{{/* The pod. Why each of these stands here is told in examples/kustomize/base/deployment.yaml. */}}

{{- define "gitops-prefix.pod" -}}
serviceAccountName: {{ include "gitops-prefix.serviceAccountName" . }}
automountServiceAccountToken: {{ include "gitops-prefix.roles" . | fromYamlArray | empty | not }}
# A Service of this name would set GITOPS_PREFIX_... variables of its own.
enableServiceLinks: false
{{- if ne .Values.source "static" }}
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "imagePullSecrets" }}
{{- with get $.Values $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
containers:
  - name: gitops-prefix
    image: {{ include "gitops-prefix.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    {{- if ne .Values.source "routerAdvertisement" }}
    # The interpreter without the file capability.
    command: [python, -m, gitops_prefix]
    {{- end }}
    args:
      - run
      {{- range .Values.args }}
      - {{ . | quote }}
      {{- end }}
    env:
      {{- range $name, $value := include "gitops-prefix.environment" . | fromYaml }}
      - name: {{ $name }}
        value: {{ $value | quote }}
      {{- end }}
      {{- with .Values.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    ports:
      - name: http
        containerPort: {{ .Values.http.port }}
        protocol: TCP
    livenessProbe:
      httpGet:
        path: /healthz
        port: http
        {{- with include "gitops-prefix.httpAddress" . }}
        host: {{ . | quote }}
        {{- end }}
      periodSeconds: 30
      timeoutSeconds: 5
      failureThreshold: 4
    readinessProbe:
      httpGet:
        path: /readyz
        port: http
        {{- with include "gitops-prefix.httpAddress" . }}
        host: {{ . | quote }}
        {{- end }}
      periodSeconds: 10
      timeoutSeconds: 5
    resources:
      {{- include "gitops-prefix.resources" . | nindent 6 }}
    securityContext:
      {{- if eq .Values.source "routerAdvertisement" }}
      # The file capability of the image's interpreter is the raw socket's, and no_new_privs
      # would take it away. Nothing but NET_RAW is there to gain.
      allowPrivilegeEscalation: true
      {{- else }}
      allowPrivilegeEscalation: false
      {{- end }}
      capabilities:
        drop:
          - ALL
        {{- if eq .Values.source "routerAdvertisement" }}
        add:
          - NET_RAW
        {{- end }}
      privileged: false
      readOnlyRootFilesystem: true
    volumeMounts:
      {{- range include "gitops-prefix.mounts" . | fromYamlArray }}
      - {{ omit . "volume" | toYaml | nindent 8 | trim }}
      {{- end }}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
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

{{/* Each volume where it is mounted. */}}
{{- define "gitops-prefix.mounts" -}}
- name: clone
  mountPath: /var/lib/gitops-prefix
  volume:
    {{- if .Values.persistence.enabled }}
    persistentVolumeClaim:
      claimName: {{ default (printf "%s-clone" (include "gitops-prefix.fullname" .)) .Values.persistence.existingClaim }}
    {{- else }}
    emptyDir:
      sizeLimit: {{ .Values.cloneSizeLimit }}
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
      name: {{ . }}
{{- end }}
{{- if include "gitops-prefix.files" . | trim }}
- name: config
  mountPath: /etc/gitops-prefix/config
  readOnly: true
  volume:
    configMap:
      name: {{ include "gitops-prefix.fullname" . }}
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
      secretName: {{ .secret }}
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
