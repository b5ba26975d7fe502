"""A hook of the remote that refuses the commits of the daemon, and of nobody else."""

from pathlib import Path

DECLINES_THE_DAEMON = """#!/bin/sh
read old new reference
test "$(git log -1 --format=%an "$new")" != gitops-prefix || { echo 'only on <weekdays>' >&2; exit 1; }
"""


def declines(remote: Path) -> Path:
    """A hook, there as a whole or not at all."""
    hook, new = remote / "hooks" / "pre-receive", remote / "hook"
    hook.parent.mkdir(exist_ok=True)
    new.write_text(DECLINES_THE_DAEMON)
    new.chmod(0o755)
    return new.rename(hook)
