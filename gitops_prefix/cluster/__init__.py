"""The Kubernetes API, the one package that imports `kubernetes`, and that only when it is used.

A child process of the daemon runs it (`python -m gitops_prefix.cluster`): the daemon
itself stays small. `gitops-prefix apply` calls it in its own process.
"""
