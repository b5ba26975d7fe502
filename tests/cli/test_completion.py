"""completion: what a shell offers, asked by the script that it is given."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_prefix.cli.door import enter

PROGRAM = Path(sys.executable).with_name("gitops-prefix")
WORDS = {
    "a command": ("rend", "render"),
    "an option": ("render --ch", "--check"),
    "a choice": ("run --apply fal", "fallback"),
    "a shipped scenario": ("simulate --scenario flash", "flash-renumbering"),
    "a link": ("observe --interface l", "lo"),
    "a link of the daemon's": ("run --interface l", "lo"),
    "a shell": ("completion z", "zsh"),
}


@pytest.mark.parametrize(("line", "offered"), WORDS.values(), ids=WORDS)
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash")
def test_bash_completes_by_the_script(line, offered, tmp_path, capsys):
    """As at a prompt: the script defines a function, which fills COMPREPLY."""
    assert enter(["completion", "bash"]) == 0
    words = f"gitops-prefix {line}".split()
    script = (
        f"{capsys.readouterr().out}\n"
        f"COMP_WORDS=({' '.join(words)}) COMP_CWORD={len(words) - 1}\n"
        "_gitops_prefix_completion gitops-prefix\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    answer = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": f"{PROGRAM.parent}:/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert offered in answer.stdout.splitlines()
    assert answer.stderr == ""


@pytest.mark.parametrize(
    ("shell", "part"), [("zsh", "#compdef gitops-prefix"), ("fish", "complete ")]
)
def test_each_shell_has_a_script_of_its_own(shell, part, capsys):
    assert enter(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert part in out
    assert "_GITOPS_PREFIX_COMPLETE" in out


def test_another_shell_is_refused_with_the_nearest(capsys):
    assert enter(["completion", "fsh"]) == 2
    assert 'Did you mean "fish"?' in capsys.readouterr().err
