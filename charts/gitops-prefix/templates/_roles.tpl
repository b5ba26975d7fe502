{{/*
The modes in use that need the API server, each with its rules: those of the components of
examples/kustomize, and a test compares. Empty without such a mode; then the pod has no token.
*/}}
{{- define "gitops-prefix.roles" -}}
{{- if ne .Values.apply.mode "never" }}
- name: direct-apply
  # `get` to compare, `patch` to apply: it never creates or deletes an object.
  rules:
    - apiGroups: [cilium.io]
      resources: [ciliumbgpadvertisements, ciliumcidrgroups, ciliumloadbalancerippools]
      verbs: [get, patch]
    - apiGroups: [metallb.io]
      resources: [ipaddresspools]
      verbs: [get, patch]
    - apiGroups: [projectcalico.org]
      resources: [ippools]
      verbs: [get, patch]
{{- range .Values.apply.serviceNamespaces | uniq }}
- name: direct-apply-services
  namespace: {{ . | quote }}
  rules:
    - apiGroups: [""]
      resources: [services]
      verbs: [get, patch]
{{- end }}
{{- range .Values.apply.configMapNamespaces | uniq }}
- name: direct-apply-configmaps
  namespace: {{ . | quote }}
  rules:
    - apiGroups: [""]
      resources: [configmaps]
      verbs: [get, patch]
{{- end }}
{{- $flux := .Values.apply.kustomizationNamespaces }}
{{- range .Values.requestReconcile }}
{{- if not (hasPrefix "application:" .) }}
{{- $flux = append $flux (regexFind ":[^/]+" . | trimPrefix ":") }}
{{- end }}
{{- end }}
{{- range $flux | uniq }}
- name: direct-apply-flux
  namespace: {{ . | quote }}
  # An object that Flux skips for us is released when its Kustomization has the commit, and the
  # Kustomization is asked to reconcile once more.
  rules:
    - apiGroups: [kustomize.toolkit.fluxcd.io]
      resources: [kustomizations]
      # `list` finds every Kustomization that applies the object.
      verbs: [get, list, patch]
{{- end }}
{{- end }}
{{- $argocd := list }}
{{- range .Values.requestReconcile }}
{{- if and (hasPrefix "application:" .) (ne $.Values.apply.mode "never") }}
{{- $argocd = append $argocd (regexFind ":[^/]+" . | trimPrefix ":") | uniq }}
{{- end }}
{{- end }}
{{- range $namespace := $argocd }}
- name: direct-apply-argocd
  namespace: {{ $namespace | quote }}
  # A field is released when its Application has the commit.
  rules:
    {{- range $.Values.requestReconcile }}
    {{- if hasPrefix (printf "application:%s/" $namespace) . }}
    - apiGroups: [argoproj.io]
      resources: [applications]
      resourceNames: [{{ regexFind "[^/]+$" . | quote }}]
      verbs: [get]
    {{- end }}
    {{- end }}
{{- end }}
{{- $groups := dict "gitrepository" "source.toolkit.fluxcd.io" "kustomization" "kustomize.toolkit.fluxcd.io" "application" "argoproj.io" }}
{{- $resources := dict "gitrepository" "gitrepositories" "kustomization" "kustomizations" "application" "applications" }}
{{- $namespaces := list }}
{{- range .Values.requestReconcile }}
{{- $namespaces = append $namespaces (regexFind ":[^/]+" . | trimPrefix ":") | uniq }}
{{- end }}
{{- range $namespace := $namespaces }}
- name: reconcile
  namespace: {{ $namespace | quote }}
  # One annotation on the objects that are named, and on no other.
  rules:
    {{- range $.Values.requestReconcile }}
    {{- if contains (printf ":%s/" $namespace) . }}
    {{- $kind := regexFind "^[a-z]+" . }}
    - apiGroups: [{{ get $groups $kind }}]
      resources: [{{ get $resources $kind }}]
      resourceNames: [{{ regexFind "[^/]+$" . | quote }}]
      verbs: [patch]
    {{- end }}
    {{- end }}
{{- end }}
{{- if .Values.events }}
- name: events
  # An Event stands in the namespace of its object, and that of a pool in `default`.
  rules:
    - apiGroups: [events.k8s.io]
      resources: [events]
      verbs: [create]
{{- end }}
{{- if .Values.leaderElection.enabled }}
- name: leader-election
  namespace: {{ include "gitops-prefix.leaseNamespace" . | quote }}
  rules:
    # The name of an object that is yet to be created is not known to RBAC.
    - apiGroups: [coordination.k8s.io]
      resources: [leases]
      verbs: [create]
    - apiGroups: [coordination.k8s.io]
      resources: [leases]
      resourceNames: [{{ include "gitops-prefix.leaseName" . | quote }}]
      verbs: [get, update]
{{- end }}
{{- with .Values.rbac.extraRules }}
- name: extra
  rules:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}
