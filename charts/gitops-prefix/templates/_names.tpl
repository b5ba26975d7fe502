{{/* Names, labels and metadata. What is written into YAML is quoted: "on" and "123" are names, too. */}}

{{- define "gitops-prefix.name" -}}
{{- default .Chart.Name .Values.nameOverride }}
{{- end }}

{{/* A name that is too long is cut, and keeps a hash of the whole: two releases never meet. */}}
{{- define "gitops-prefix.fullname" -}}
{{- $name := include "gitops-prefix.name" . }}
{{- $full := printf "%s-%s" .Release.Name $name }}
{{- if .Values.fullnameOverride }}
{{- $full = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- $full = .Release.Name }}
{{- end }}
{{- if gt (len $full) 52 }}
{{- $full = printf "%s-%s" (trunc 43 $full | trimSuffix "-") (sha256sum $full | trunc 8) }}
{{- end }}
{{- $full }}
{{- end }}

{{- define "gitops-prefix.selectorLabels" -}}
app.kubernetes.io/name: {{ include "gitops-prefix.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels of an object: `root`, and `more` of its own. Those of the selector always count. */}}
{{- define "gitops-prefix.labels" -}}
{{- $root := .root }}
{{- $ours := dict
    "app.kubernetes.io/version" $root.Chart.AppVersion
    "app.kubernetes.io/managed-by" $root.Release.Service
    "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63) }}
{{- $selector := include "gitops-prefix.selectorLabels" $root | fromYaml }}
{{- mergeOverwrite $ours $root.Values.commonLabels (default dict .more) $selector | toYaml }}
{{- end }}

{{/* The metadata of an object: `root`, and perhaps `name`, `namespace`, `cluster` (it has no
namespace), `labels`, `annotations`. */}}
{{- define "gitops-prefix.metadata" -}}
name: {{ default (include "gitops-prefix.fullname" .root) .name | quote }}
{{- if not .cluster }}
namespace: {{ default .root.Release.Namespace .namespace | quote }}
{{- end }}
labels:
  {{- include "gitops-prefix.labels" (dict "root" .root "more" .labels) | nindent 2 }}
{{- with mergeOverwrite (dict) .root.Values.commonAnnotations (default dict .annotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "gitops-prefix.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "gitops-prefix.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "gitops-prefix.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- define "gitops-prefix.leaseNamespace" -}}
{{- index .Values.options "lease-namespace" | default .Release.Namespace }}
{{- end }}

{{/* In a namespace that releases of several namespaces share, the Lease has the name of both. */}}
{{- define "gitops-prefix.leaseName" -}}
{{- if ne (include "gitops-prefix.leaseNamespace" .) .Release.Namespace }}
{{- printf "%s." .Release.Namespace }}
{{- end }}
{{- include "gitops-prefix.fullname" . }}
{{- end }}

{{/* Bytes of a quantity, so that two can be compared. */}}
{{- define "gitops-prefix.bytes" -}}
{{- $factors := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- mulf (regexFind "^[0-9.]+" . | float64) (get $factors (regexFind "[A-Za-z]*$" .) | float64) | int64 }}
{{- end }}
