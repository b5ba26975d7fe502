{{/*
The options of `run` that have a value of their own, as a mapping of variables. Each
is GITOPS_PREFIX_ and the option's name; `run --help` lists them. Written from
gitops_prefix/cli/settings.py by `python -m gitops_prefix.cli.reference`.
*/}}

{{- define "gitops-prefix.environment" -}}
GITOPS_PREFIX_REPO: {{ .Values.repo | quote }}
GITOPS_PREFIX_BRANCH: {{ .Values.branch | quote }}
{{- if .Values.path }}
GITOPS_PREFIX_PATH: {{ .Values.path | quote }}
{{- end }}
GITOPS_PREFIX_CLONE_DIR: /var/lib/gitops-prefix/clone
{{- if .Values.interface }}
GITOPS_PREFIX_INTERFACE: {{ .Values.interface | quote }}
{{- end }}
GITOPS_PREFIX_LISTEN: {{ printf "%s:%d" (include "gitops-prefix.httpAddress" . | include "gitops-prefix.bracketed") (int .Values.http.port) | quote }}
{{- if (.Values.http).existingSecret }}
GITOPS_PREFIX_LISTEN_TOKEN_FILE: {{ printf "/etc/gitops-prefix/listen/%s" .Values.http.tokenKey }}
{{- end }}
{{- if (.Values.webhook).enabled }}
GITOPS_PREFIX_WEBHOOK_CREDENTIALS: {{ printf "/etc/gitops-prefix/webhook/%s" .Values.webhook.credentialsKey }}
GITOPS_PREFIX_WEBHOOK_LISTEN: {{ printf "%s:%d" (include "gitops-prefix.bracketed" .Values.webhook.host) (int .Values.webhook.port) | quote }}
{{- end }}
{{- if and (.Values.webhook).enabled ((.Values.webhook).tls).existingSecret }}
GITOPS_PREFIX_WEBHOOK_CERT: /etc/gitops-prefix/webhook-tls/tls.crt
GITOPS_PREFIX_WEBHOOK_KEY: /etc/gitops-prefix/webhook-tls/tls.key
{{- end }}
{{- if eq .Values.auth.method "ssh" }}
GITOPS_PREFIX_SSH_KEY: {{ printf "/etc/gitops-prefix/ssh/%s" .Values.auth.ssh.privateKeyKey }}
GITOPS_PREFIX_KNOWN_HOSTS: {{ if .Values.auth.ssh.knownHosts }}/etc/gitops-prefix/config/known_hosts{{ else }}/etc/gitops-prefix/ssh/{{ .Values.auth.ssh.knownHostsKey }}{{ end }}
{{- end }}
{{- if eq .Values.auth.method "token" }}
GITOPS_PREFIX_TOKEN_FILE: {{ printf "/etc/gitops-prefix/token/%s" .Values.auth.token.tokenKey }}
GITOPS_PREFIX_USERNAME: {{ .Values.auth.token.username | quote }}
{{- end }}
{{- if eq .Values.auth.method "githubApp" }}
GITOPS_PREFIX_GITHUB_APP_ID: {{ include "gitops-prefix.id" .Values.auth.githubApp.id }}
{{- end }}
{{- if and (eq .Values.auth.method "githubApp") .Values.auth.githubApp.installationId }}
GITOPS_PREFIX_GITHUB_APP_INSTALLATION_ID: {{ include "gitops-prefix.id" .Values.auth.githubApp.installationId }}
{{- end }}
{{- if eq .Values.auth.method "githubApp" }}
GITOPS_PREFIX_GITHUB_APP_KEY_FILE: {{ printf "/etc/gitops-prefix/github-app/%s" .Values.auth.githubApp.privateKeyKey }}
{{- end }}
{{- if (.Values.ca).existingConfigMap }}
GITOPS_PREFIX_CA_FILE: {{ printf "/etc/gitops-prefix/ca/%s" .Values.ca.key }}
{{- end }}
{{- if (.Values.signing).existingSecret }}
GITOPS_PREFIX_SIGNING_KEY: {{ printf "/etc/gitops-prefix/signing/%s" .Values.signing.privateKeyKey }}
{{- end }}
{{- if and (.Values.signing).existingSecret .Values.signing.passphraseKey }}
GITOPS_PREFIX_SIGNING_PASSPHRASE_FILE: {{ printf "/etc/gitops-prefix/signing/%s" .Values.signing.passphraseKey }}
{{- end }}
{{- if and (.Values.signing).existingSecret .Values.signing.signersKey }}
GITOPS_PREFIX_REQUIRE_SIGNED_PARENT: {{ printf "/etc/gitops-prefix/signing/%s" .Values.signing.signersKey }}
{{- end }}
{{- if .Values.messageTemplate }}
GITOPS_PREFIX_MESSAGE_TEMPLATE: /etc/gitops-prefix/config/message
{{- end }}
{{- if .Values.pushBranch }}
GITOPS_PREFIX_PUSH_BRANCH: {{ .Values.pushBranch | quote }}
{{- end }}
{{- if (.Values.pullRequest).forge }}
GITOPS_PREFIX_PULL_REQUEST: {{ .Values.pullRequest.forge }}
{{- end }}
{{- if and (.Values.pullRequest).forge .Values.pullRequest.url }}
GITOPS_PREFIX_FORGE_URL: {{ .Values.pullRequest.url | quote }}
{{- end }}
{{- if and (.Values.pullRequest).forge .Values.pullRequest.existingSecret }}
GITOPS_PREFIX_FORGE_TOKEN_FILE: {{ printf "/etc/gitops-prefix/forge/%s" .Values.pullRequest.tokenKey }}
{{- end }}
{{- if and (.Values.pullRequest).forge .Values.pullRequest.autoMerge }}
GITOPS_PREFIX_AUTO_MERGE: {{ .Values.pullRequest.autoMerge }}
{{- end }}
{{- if (.Values.notify).hooks }}
GITOPS_PREFIX_NOTIFY: {{ join " " .Values.notify.hooks | quote }}
{{- end }}
{{- if and (.Values.notify).hooks .Values.notify.existingSecret }}
GITOPS_PREFIX_NOTIFY_SECRET_FILE: {{ printf "/etc/gitops-prefix/notify/%s" .Values.notify.secretKey }}
{{- end }}
{{- if .Values.requestReconcile }}
GITOPS_PREFIX_REQUEST_RECONCILE: {{ join " " .Values.requestReconcile | quote }}
{{- end }}
{{- if .Values.events }}
GITOPS_PREFIX_EVENTS: "true"
{{- end }}
{{- if ne .Values.apply.mode "never" }}
GITOPS_PREFIX_APPLY: {{ .Values.apply.mode }}
GITOPS_PREFIX_APPLY_AFTER: {{ .Values.apply.after | quote }}
{{- end }}
{{- if .Values.leaderElection.enabled }}
GITOPS_PREFIX_LEADER_ELECT: "true"
GITOPS_PREFIX_LEASE_NAME: {{ include "gitops-prefix.leaseName" . | quote }}
{{- end }}
{{- if .Values.options }}
GITOPS_PREFIX_CONFIG: /etc/gitops-prefix/config/gitops-prefix.yaml
{{- end }}
{{- end }}

{{/* A number of a values file is a float to Helm, and would be 1.234567e+06. */}}
{{- define "gitops-prefix.id" -}}
{{- if kindIs "string" . }}{{ . | quote }}{{ else }}{{ int64 . | toString | quote }}{{ end }}
{{- end }}

{{/*
The node alone, unless somebody asks from outside: Prometheus, or the kubelet, whose probes
reach a pod with a network of its own by the pod's address.
*/}}
{{- define "gitops-prefix.httpAddress" -}}
{{- $asked := or (eq .Values.source "static") .Values.metrics.podMonitor.enabled .Values.metrics.service.enabled }}
{{- if kindIs "invalid" .Values.http.host }}{{ ternary "" "127.0.0.1" $asked }}{{ else }}{{ .Values.http.host }}{{ end }}
{{- end }}

{{/* An IPv6 address stands in brackets before its port. */}}
{{- define "gitops-prefix.bracketed" -}}
{{- if contains ":" . }}[{{ . }}]{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* The files that the ConfigMap holds; empty when it is not needed. */}}
{{- define "gitops-prefix.files" -}}
{{- with .Values.options }}
gitops-prefix.yaml: |
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.messageTemplate }}
message: {{ toJson . }}
{{- end }}
{{- if and (eq .Values.auth.method "ssh") .Values.auth.ssh.knownHosts }}
known_hosts: {{ toJson .Values.auth.ssh.knownHosts }}
{{- end }}
{{- end }}
