"""Directories that commands are called in, and how."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_prefix.cli.door import enter

ROOT = Path(__file__).parents[2]
OURS = b"# dynamic-prefix.io/\n"
"""What the byte search takes for a managed file."""


def call(
    directory: Path, *words: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Call `gitops-prefix` in a directory.

    In this process: a start takes longer than what most tests want to know, and test_door.py
    and others have it as a shell starts it. The daemon gets a process of its own.
    """
    variables = {"XDG_STATE_HOME": str(directory / "state"), **environment}
    if words[0] == "run":
        return subprocess.run(
            [sys.executable, "-m", "gitops_prefix", *words],
            cwd=directory,
            check=False,
            capture_output=True,
            input=stdin,
            text=True,
            timeout=120,
            env={**os.environ, **variables},
        )
    written = [io.BytesIO(), io.BytesIO()]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        for name, text in variables.items():
            patch.setenv(name, text)
        streams = [io.BytesIO(stdin.encode()), *written]
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            text_of = io.TextIOWrapper(stream, encoding="utf-8", write_through=True)
            patch.setattr(sys, name, text_of)
        code = enter([*words])
        answers = [stream.getvalue().decode() for stream in written]
    return subprocess.CompletedProcess([*words], code, *answers)


def snapshot(directory: Path) -> dict[str, bytes]:
    """The content of every file."""
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def put(root: Path, *names: str, content: bytes = OURS) -> None:
    """Write the same content to each file."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
