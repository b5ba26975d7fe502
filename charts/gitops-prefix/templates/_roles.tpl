{{/* The modes in use that need the API server, each with its rules. */}}
{{- define "gitops-prefix.roles" -}}
[]
{{- end }}
