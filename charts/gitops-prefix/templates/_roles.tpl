{{/*
The modes in use that need the API server, each with its rules: those of the components of
examples/kustomize, and a test compares. Empty without such a mode; then the pod has no token.
*/}}
{{- define "gitops-prefix.roles" -}}
{{- if .Values.leaderElection.enabled }}
- name: leader-election
  namespace: {{ .Release.Namespace }}
  rules:
    # The name of an object that is yet to be created is not known to RBAC.
    - apiGroups: [coordination.k8s.io]
      resources: [leases]
      verbs: [create]
    - apiGroups: [coordination.k8s.io]
      resources: [leases]
      resourceNames: [{{ include "gitops-prefix.fullname" . }}]
      verbs: [get, update]
{{- end }}
{{- end }}
