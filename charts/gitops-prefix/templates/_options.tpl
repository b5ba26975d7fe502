{{/*
The options of `run` that have a value of their own, as a mapping of variables. Each
is GITOPS_PREFIX_ and the option's name; `run --help` lists them.
*/}}

{{- define "gitops-prefix.environment" -}}
GITOPS_PREFIX_REPO: {{ .Values.repo | quote }}
GITOPS_PREFIX_BRANCH: {{ .Values.branch | quote }}
GITOPS_PREFIX_CLONE_DIR: /var/lib/gitops-prefix/clone
GITOPS_PREFIX_LISTEN: {{ printf "%s:%d" (include "gitops-prefix.httpHost" .) (int .Values.http.port) | quote }}
{{- with .Values.path }}
GITOPS_PREFIX_PATH: {{ . | quote }}
{{- end }}
{{- with .Values.interface }}
GITOPS_PREFIX_INTERFACE: {{ . | quote }}
{{- end }}
{{- with .Values.ca }}
{{- if .existingConfigMap }}
GITOPS_PREFIX_CA_FILE: {{ printf "/etc/gitops-prefix/ca/%s" .key }}
{{- end }}
{{- end }}
{{- with .Values.signing }}
{{- if .existingSecret }}
GITOPS_PREFIX_SIGNING_KEY: {{ printf "/etc/gitops-prefix/signing/%s" .privateKeyKey }}
{{- if .passphraseKey }}
GITOPS_PREFIX_SIGNING_PASSPHRASE_FILE: {{ printf "/etc/gitops-prefix/signing/%s" .passphraseKey }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.pushBranch }}
GITOPS_PREFIX_PUSH_BRANCH: {{ . | quote }}
{{- end }}
{{- with .Values.pullRequest }}
{{- if .forge }}
GITOPS_PREFIX_PULL_REQUEST: {{ .forge }}
{{- with .url }}
GITOPS_PREFIX_FORGE_URL: {{ . | quote }}
{{- end }}
{{- with .autoMerge }}
GITOPS_PREFIX_AUTO_MERGE: {{ . }}
{{- end }}
{{- if .existingSecret }}
GITOPS_PREFIX_FORGE_TOKEN_FILE: {{ printf "/etc/gitops-prefix/forge/%s" .tokenKey }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.notify }}
{{- if .hooks }}
GITOPS_PREFIX_NOTIFY: {{ join " " .hooks | quote }}
{{- if .existingSecret }}
GITOPS_PREFIX_NOTIFY_SECRET_FILE: {{ printf "/etc/gitops-prefix/notify/%s" .secretKey }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.messageTemplate }}
GITOPS_PREFIX_MESSAGE_TEMPLATE: /etc/gitops-prefix/config/message
{{- end }}
{{- with .Values.requestReconcile }}
GITOPS_PREFIX_REQUEST_RECONCILE: {{ join " " . | quote }}
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
GITOPS_PREFIX_LEASE_NAME: {{ include "gitops-prefix.fullname" . }}
{{- end }}
{{- if .Values.options }}
GITOPS_PREFIX_CONFIG: /etc/gitops-prefix/config/gitops-prefix.yaml
{{- end }}
{{- with .Values.auth }}
{{- if eq .method "ssh" }}
GITOPS_PREFIX_SSH_KEY: {{ printf "/etc/gitops-prefix/ssh/%s" .ssh.privateKeyKey }}
GITOPS_PREFIX_KNOWN_HOSTS: {{ if .ssh.knownHosts }}/etc/gitops-prefix/config/known_hosts{{ else }}/etc/gitops-prefix/ssh/{{ .ssh.knownHostsKey }}{{ end }}
{{- else if eq .method "token" }}
GITOPS_PREFIX_TOKEN_FILE: {{ printf "/etc/gitops-prefix/token/%s" .token.tokenKey }}
GITOPS_PREFIX_USERNAME: {{ .token.username | quote }}
{{- else if eq .method "githubApp" }}
GITOPS_PREFIX_GITHUB_APP_ID: {{ include "gitops-prefix.id" .githubApp.id }}
GITOPS_PREFIX_GITHUB_APP_KEY_FILE: {{ printf "/etc/gitops-prefix/github-app/%s" .githubApp.privateKeyKey }}
{{- with .githubApp.installationId }}
GITOPS_PREFIX_GITHUB_APP_INSTALLATION_ID: {{ include "gitops-prefix.id" . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A number of a values file is a float to Helm, and would be 1.234567e+06. */}}
{{- define "gitops-prefix.id" -}}
{{- if kindIs "string" . }}{{ . | quote }}{{ else }}{{ int64 . | toString | quote }}{{ end }}
{{- end }}

{{/* An IPv6 address stands in brackets before its port. */}}
{{- define "gitops-prefix.httpHost" -}}
{{- if contains ":" .Values.http.host }}[{{ .Values.http.host }}]{{ else }}{{ .Values.http.host }}{{ end }}
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
