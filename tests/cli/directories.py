"""Directories that commands are called in, and the command as a process."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = b"# dynamic-prefix.io/\n"
"""What the byte search takes for a managed file."""


def call(
    directory: Path, *words: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Call `gitops-prefix` in a directory."""
    return subprocess.run(
        [sys.executable, "-m", "gitops_prefix", *words],
        cwd=directory,
        check=False,
        capture_output=True,
        input=stdin,
        text=True,
        timeout=120,
        env={**os.environ, "XDG_STATE_HOME": str(directory / "state"), **environment},
    )


def snapshot(directory: Path) -> dict[str, bytes]:
    """The content of every file."""
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def put(root: Path, *names: str, content: bytes = OURS) -> None:
    """Write the same content to each file."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
