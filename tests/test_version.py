"""The way in, before anything of the program is imported: the version, and Ctrl-C."""

import signal
import subprocess
import sys

import pytest

import gitops_prefix


def test_version_is_printed_without_loading_the_command_line():
    answer = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gitops_prefix", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout == f"gitops-prefix {gitops_prefix.version()}\n"
    assert "click" not in answer.stderr


COMMIT = "0123456789abcdef0123456789abcdef01234567"
KNOWN = {
    "a file of the build": {"gitops_prefix/COMMIT": f"{COMMIT}\n"},
    "no branch": {".git/HEAD": f"{COMMIT}\n"},
    "a branch": {".git/HEAD": "ref: refs/heads/a/b\n", ".git/refs/heads/a/b": f"{COMMIT}\n"},
    "a packed branch": {
        ".git/HEAD": "ref: refs/heads/b\n",
        ".git/packed-refs": f"# pack-refs\n{'f' * 40} refs/heads/a/refs/heads/b2\n{COMMIT} refs/heads/b\n",
    },
    "a work tree beside the first": {
        ".git": "gitdir: ../main/.git/worktrees/x\n",
        "../main/.git/worktrees/x/HEAD": "ref: refs/heads/b\n",
        "../main/.git/worktrees/x/commondir": "../..\n",
        "../main/.git/refs/heads/b": f"{COMMIT}\n",
    },
}


@pytest.mark.parametrize("files", KNOWN.values(), ids=KNOWN)
def test_the_commit_stands_behind_the_version_where_it_is_known(files, tmp_path):
    root = tmp_path / "work"
    (root / "gitops_prefix").mkdir(parents=True)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    expected = f"{gitops_prefix.__version__} (0123456789ab)"
    assert gitops_prefix.version(str(root / "gitops_prefix")) == expected


@pytest.mark.parametrize("head", [None, "ref: refs/heads/unborn\n", "\xff"])
def test_without_a_commit_the_version_stands_alone(head, tmp_path):
    (tmp_path / ".git").mkdir()
    if head:
        (tmp_path / ".git" / "HEAD").write_text(head)
    assert gitops_prefix.version(str(tmp_path / "gitops_prefix")) == gitops_prefix.__version__


INTERRUPTED_WHILE_IMPORTING = f"""
import os, sys
from gitops_prefix.__main__ import main

class Slow:
    def find_spec(self, name, path, target=None):
        os.kill(os.getpid(), {int(signal.SIGINT)})

sys.meta_path.insert(0, Slow())
main()
"""


def test_ctrl_c_while_modules_are_imported_is_no_traceback():
    words = [sys.executable, "-c", INTERRUPTED_WHILE_IMPORTING]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr) == (130, "", "")
