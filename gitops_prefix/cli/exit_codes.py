"""The exit codes, the same for every command (DESIGN 7)."""

DONE = 0
NO = 1
"""The answer is "no": something would change, none came."""
BAD_INPUT = 2
"""Bad input or usage; nothing was changed."""
OUTSIDE_FAILED = 3
"""Git, the network or the cluster failed; nothing was lost."""
INTERRUPTED = 130
