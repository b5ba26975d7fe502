"""A repository whose static prefix is changed by hand."""

import re
import sys
from pathlib import Path

from tests.gitrepo import git

PROGRAM = [sys.executable, "-m", "gitops_prefix", "run"]


def fix(tree: Path, prefix: str) -> None:
    """Somebody writes another prefix into the specification."""
    git(tree, "fetch", "-q", "origin", "main")
    git(tree, "reset", "-q", "--hard", "FETCH_HEAD")
    path = tree / "prefix.yaml"
    text = re.sub(
        r"(routerAdvertisement|static):\n      \w+: .*", f'static:\n      prefix: "{prefix}"',
        path.read_text(), count=1,
    )  # fmt: skip
    path.write_text(text)
    git(tree, "commit", "-qam", f"static {prefix}")
    git(tree, "push", "-q", "origin", "HEAD:main")


def head(remote: Path, branch: str) -> str:
    return git(remote, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}").strip()
