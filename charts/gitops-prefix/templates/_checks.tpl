{{/* What a schema cannot say, or not so that one understands it. */}}

{{- define "gitops-prefix.checks" -}}
{{- $_ := required "repo: which repository? As in --set repo=ssh://git@git.example.com/home-ops.git" .Values.repo }}
{{- if regexMatch "://[^/@]*:[^/@]*@" .Values.repo }}
{{- fail "repo: there is a password in it, which everybody could read who may read the release: put it into the secret of auth.token" }}
{{- end }}
{{- if and (hasPrefix "http" .Values.repo) (eq .Values.auth.method "ssh") }}
{{- fail "auth.method: a repository over https takes a token, not an ssh key: set auth.method=token" }}
{{- end }}
{{- if and (not (hasPrefix "http" .Values.repo)) (has .Values.auth.method (list "token" "githubApp")) }}
{{- fail (printf "auth.method: %s is for a repository over https, and repo is none: set auth.method=ssh" .Values.auth.method) }}
{{- end }}
{{- if and (eq .Values.auth.method "githubApp") (not .Values.auth.githubApp.id) }}
{{- fail "auth.githubApp.id: which App? Its id stands on its settings page" }}
{{- end }}
{{- if and .Values.pullRequest.forge (has .Values.auth.method (list "ssh" "none")) (not .Values.pullRequest.existingSecret) }}
{{- fail "pullRequest.existingSecret: the forge's API takes a token, which an ssh key is not: name a secret that holds one" }}
{{- end }}
{{- if and .Values.notify.hooks (or .Values.pushBranch .Values.pullRequest.forge) }}
{{- fail "notify.hooks: with pushBranch or pullRequest others merge, and nobody here knows when: let the forge's own webhook tell" }}
{{- end }}
{{- if and (or .Values.pushBranch .Values.pullRequest.forge) (or .Values.requestReconcile (ne .Values.apply.mode "never")) }}
{{- fail "pushBranch, pullRequest: others decide whether it is merged: leave requestReconcile and apply.mode as they are" }}
{{- end }}
{{- if contains "PRIVATE KEY" .Values.auth.ssh.knownHosts }}
{{- fail "auth.ssh.knownHosts: that is a private key, and goes into the secret of auth.ssh; here is what ssh-keyscan prints" }}
{{- end }}
{{- if and .Values.persistence.enabled (ne .Values.kind "Deployment") }}
{{- fail "persistence.enabled: a claim is one pod's, and a DaemonSet has many: leave it off, or take kind: Deployment" }}
{{- end }}
{{- if and .Values.persistence.enabled (gt (int .Values.replicas) 1) }}
{{- fail "persistence.enabled: a claim is one pod's: leave it off, or take replicas: 1" }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (ne .Values.source "static") }}
{{- fail "networkPolicy.enabled: the pod is on the node's network, which no NetworkPolicy covers; it is for source: static" }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) }}
{{- fail "metrics.serviceMonitor.enabled: it asks a Service: set metrics.service.enabled too, or take metrics.podMonitor" }}
{{- end }}
{{- $address := include "gitops-prefix.httpAddress" . }}
{{- if and (eq .Values.source "static") (or (hasPrefix "127." $address) (eq "::1" $address)) }}
{{- fail (printf "http.host: with source: static the pod has a network of its own, and the probes of the node do not reach %s there: leave it out" $address) }}
{{- end }}
{{- if and (or (hasPrefix "127." $address) (eq "::1" $address)) (or .Values.metrics.podMonitor.enabled .Values.metrics.service.enabled) }}
{{- fail (printf "http.host: on %s nobody outside the node can ask for metrics: leave it out, which lets whoever reaches the node read them and the page (http.existingSecret asks for a token), or leave metrics off" $address) }}
{{- end }}
{{- if and (.Values.webhook).enabled (eq (int .Values.webhook.port) (int .Values.http.port)) }}
{{- fail (printf "webhook.port: %d is the port of http, too: choose another one" (int .Values.http.port)) }}
{{- end }}
{{- if and (.Values.webhook).enabled .Values.webhook.service.enabled (or (ne .Values.kind "Deployment") (gt (int .Values.replicas) 1)) }}
{{- fail "webhook.service.enabled: a Service hands each update to one pod, and only the one that leads takes it: take replicas: 1, or let the router send to each node" }}
{{- end }}
{{- if and (.Values.webhook).enabled .Values.webhook.service.enabled (not (regexMatch "^[a-z]" (include "gitops-prefix.fullname" .))) }}
{{- fail (printf "webhook.service.enabled: the name of a Service begins with a letter, and %s does not: set fullnameOverride" (include "gitops-prefix.fullname" .)) }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
{{- fail "metrics.serviceMonitor.enabled, metrics.podMonitor.enabled: each pod would be asked twice, and the alerts count double: leave one off" }}
{{- end }}
{{- if and .Values.metrics.service.enabled (not (regexMatch "^[a-z]" (include "gitops-prefix.fullname" .))) }}
{{- fail (printf "metrics.service.enabled: the name of a Service begins with a letter, and %s does not: set fullnameOverride" (include "gitops-prefix.fullname" .)) }}
{{- end }}
{{- range $name := list "commonLabels" "podLabels" }}
{{- range $key, $_ := include "gitops-prefix.selectorLabels" $ | fromYaml }}
{{- if hasKey (get $.Values $name) $key }}
{{- fail (printf "%s: %s is what the workload finds its pods by: choose another key, or nameOverride" $name $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- $mounts := include "gitops-prefix.mounts" . | fromYamlArray }}
{{- range .Values.extraVolumes }}
{{- $name := .name }}
{{- range $mounts }}
{{- if eq .name $name }}
{{- fail (printf "extraVolumes: %s is a volume of this chart: choose another name" $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- range .Values.extraVolumeMounts }}
{{- $path := trimSuffix "/" .mountPath }}
{{- range $mounts }}
{{- if eq .mountPath $path }}
{{- fail (printf "extraVolumeMounts: this chart mounts %s itself: choose another path" $path) }}
{{- end }}
{{- end }}
{{- end }}
{{- range concat .Values.initContainers .Values.extraContainers }}
{{- if eq .name "gitops-prefix" }}
{{- fail "initContainers, extraContainers: gitops-prefix is the daemon's own container: choose another name" }}
{{- end }}
{{- end }}
{{- if .Values.leaderElection.enabled }}
{{- $lease := include "gitops-prefix.leaseTime" (list $ "lease-duration" "15s") }}
{{- $renew := include "gitops-prefix.leaseTime" (list $ "renew-deadline" "10s") }}
{{- $retry := include "gitops-prefix.leaseTime" (list $ "retry-period" "2s") }}
{{- $seconds := include "gitops-prefix.seconds" $retry | float64 }}
{{- $deadline := include "gitops-prefix.seconds" $renew | float64 }}
{{- if not (and (gt $seconds 0.0) (lt (mulf 1.2 $seconds) $deadline) (lt $deadline (include "gitops-prefix.seconds" $lease | float64))) }}
{{- fail (printf "options: lease-duration %s must be longer than renew-deadline %s, and that longer than 1.2 times retry-period %s: else two daemons could publish at once, or none" $lease $renew $retry) }}
{{- end }}
{{- end }}
{{- /* What needs a role, or a token, is known to the chart only as a value. */}}
{{- $needing := dict "GITOPS_PREFIX_LEADER_ELECT" "leaderElection.enabled" "GITOPS_PREFIX_LEASE_NAME" "leaderElection.enabled" "GITOPS_PREFIX_LEASE_NAMESPACE" "options.lease-namespace" "GITOPS_PREFIX_APPLY" "apply.mode" "GITOPS_PREFIX_EVENTS" "events" "GITOPS_PREFIX_REQUEST_RECONCILE" "requestReconcile" }}
{{- $set := include "gitops-prefix.environment" . | fromYaml }}
{{- range .Values.args }}
{{- $variable := regexFind "^--[a-z-]+" . | trimPrefix "--" | upper | replace "-" "_" | printf "GITOPS_PREFIX_%s" }}
{{- if hasKey $needing $variable }}
{{- fail (printf "args: %s needs a role, which the chart adds for a value: set %s instead" . (get $needing $variable)) }}
{{- end }}
{{- if hasKey $set $variable }}
{{- fail (printf "args: %s is set by another value of this chart: set that one" .) }}
{{- end }}
{{- end }}
{{- range .Values.env }}
{{- if hasKey $set .name }}
{{- fail (printf "env: %s is set by another value of this chart: set that one" .name) }}
{{- end }}
{{- if hasKey $needing .name }}
{{- fail (printf "env: %s needs a role, which the chart adds for a value: set %s instead" .name (get $needing .name)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A time of the Lease: by a flag, else by a variable, else by an option, else by default. */}}
{{- define "gitops-prefix.leaseTime" -}}
{{- $name := index . 1 }}
{{- $found := dig $name (index . 2) (index . 0).Values.options }}
{{- range (index . 0).Values.env }}
{{- if eq .name (printf "GITOPS_PREFIX_%s" ($name | upper | replace "-" "_")) }}
{{- $found = default $found .value }}
{{- end }}
{{- end }}
{{- $args := (index . 0).Values.args }}
{{- range $at, $argument := $args }}
{{- if hasPrefix (printf "--%s=" $name) $argument }}
{{- $found = trimPrefix (printf "--%s=" $name) $argument }}
{{- else if and (eq $argument (printf "--%s" $name)) (lt (int (add1 $at)) (len $args)) }}
{{- $found = index $args (int (add1 $at)) }}
{{- end }}
{{- end }}
{{- $found }}
{{- end }}

{{/* The seconds of a duration, as in 1m30s. */}}
{{- define "gitops-prefix.seconds" -}}
{{- $seconds := 0.0 }}
{{- range regexFindAll "[0-9]+([.][0-9]+)?(ms|s|m|h|d)" . -1 }}
{{- $unit := get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0) (regexFind "[a-z]+$" .) }}
{{- $seconds = addf $seconds (mulf (regexFind "^[0-9.]+" .) $unit) }}
{{- end }}
{{- $seconds }}
{{- end }}
