"""The version is answered without importing anything of the program."""

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
