"""Everything that talks to an API server: direct apply, the Lease, Events, reconcile requests.

`fields`, `policy`, `ownership`, `election` are PURE. `child`, `applying`, `lease`, `events`
are the daemon's side. Only the `kube` modules import the Kubernetes client; the daemon runs
them in a child process, and the commands `apply` and `adopt` import them when they run.
"""
