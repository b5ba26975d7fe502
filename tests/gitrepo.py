"""Plain git for tests: an identity, and repositories with a first commit."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def git(directory: Path, *words: str) -> str:
    """What git says, as its user `t`."""
    # To look for something to tidy takes a process of its own.
    options = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "maintenance.auto=false")
    return subprocess.run(
        ["git", "-C", str(directory), *options, *words], check=True, capture_output=True, text=True
    ).stdout


def commit_all(tree: Path) -> None:
    """Make a repository of a directory."""
    git(tree, "init", "-q", "-b", "main")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "start")


def bare_clone(tree: Path, bare: Path) -> Path:
    """A bare clone, which becomes the tree's `origin`."""
    git(tree.parent, "clone", "-q", "--bare", str(tree), str(bare))
    git(tree, "remote", "add", "origin", str(bare))
    return bare


def example(name: str, directory: Path) -> Path:
    """A bare repository that holds one of the examples; its checkout is `directory/tree`."""
    tree = directory / "tree"
    shutil.copytree(ROOT / "examples" / name, tree)
    commit_all(tree)
    return bare_clone(tree, directory / "remote.git")
