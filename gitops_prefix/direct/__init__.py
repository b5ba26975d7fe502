"""PURE: direct apply in words: what is to be applied, and what came of it.

The values that the daemon and its child process exchange. The cluster itself is
`cluster`'s, and when to apply is `daemon.fallback`'s.
"""
