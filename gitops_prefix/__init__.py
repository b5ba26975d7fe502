"""Keeps a Git repository of Kubernetes manifests true to the current IPv6 prefix.

The packages, from the top: `cli`, `daemon`, `watch` and `publish`, `render`,
`decide`, `errors`. Arrows point down only; docs/architecture.md draws them.
"""

__version__ = "0.1.0"
