"""The way in, before anything of the program is imported: the version, and Ctrl-C."""

import signal
import subprocess
import sys

import gitops_prefix


def test_version_is_printed_without_loading_the_command_line():
    answer = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gitops_prefix", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout == f"gitops-prefix {gitops_prefix.__version__}\n"
    assert "click" not in answer.stderr


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
