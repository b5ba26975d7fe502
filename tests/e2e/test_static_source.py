"""The source `static`: no link, no capability, no root."""

import subprocess
import sys
from pathlib import Path

from tests.gitrepo import example, git
from tests.static_source import A, B, fixed

PROGRAM = [sys.executable, "-m", "gitops_prefix"]


def once(bare: Path, clone: Path) -> None:
    words = [*PROGRAM, "run", "--once", "--repo", str(bare), "--clone-dir", str(clone)]
    answer = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr


def test_what_is_written_is_published_and_what_is_written_next_too(tmp_path):
    """One commit for each, with the old one in the history; and none when nothing was written."""
    bare, tree, clone = example("plain", tmp_path), tmp_path / "tree", tmp_path / "clone"
    fixed(tree, A)
    once(bare, clone)
    once(bare, clone)
    assert git(bare, "log", "-1", "--format=%B", "main").rstrip().endswith("Prefix-Source: static")
    assert len(git(bare, "log", "--format=%H", "main").split()) == 3
    git(tree, "pull", "-q", "origin", "main")
    fixed(tree, B)
    once(bare, clone)
    pool = git(bare, "show", "main:network/pool.yaml")
    assert pool.index("2001:db8:5678:0:f000::") < pool.index("2001:db8:1234:0:f000::")
    assert len(git(bare, "log", "--format=%H", "main").split()) == 5
