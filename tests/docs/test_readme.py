"""The README's first page: its diff is the demo's, and its commands run."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitops_prefix.cli.commands import cli
from gitops_prefix.cli.door import enter

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def commands() -> list[list[str]]:
    return [shlex.split(line) for line in re.findall(r"^\$ (.*)$", README, re.MULTILINE)]


def test_the_diff_is_the_demos_and_the_demo_makes_three_commits():
    """A, then B, then A again, and a quiet pass; the README shows a piece of the second."""
    answer = CliRunner().invoke(cli, ["demo"], standalone_mode=False)
    assert answer.exception is None
    assert answer.output.count("\nDynamic-Prefix: home-ipv6\n") == 3
    assert "the next pass: unchanged, no commit" in answer.output
    [block] = re.findall(r"```diff\n(.*?)```", README, re.DOTALL)
    subject, _, hunk = block.partition("\n\n")
    assert f" {subject}\n" in answer.output
    second = answer.output.split(f" {subject}\n")[1]
    assert hunk in second


@pytest.mark.parametrize("reconciler", ["flux", "argocd"])
def test_the_quick_start_works_in_an_empty_directory(reconciler, tmp_path, monkeypatch, capsys):
    """init, then what the first advertisement would change; nothing is written by that."""
    monkeypatch.chdir(tmp_path)
    ours = [words[1:] for words in commands() if words[0] == "gitops-prefix"]
    start = next(at for at, words in enumerate(ours) if reconciler in words)
    for words in ours[start : start + 2]:
        assert enter(words) == 0, words
    assert '+    - start: "2001:db8:1234:0:f000::"' in capsys.readouterr().out
    assert "status:" not in (tmp_path / "home-ops" / "prefix.yaml").read_text()
    names = {path.name for path in (tmp_path / "home-ops").iterdir()}
    assert names & {"flux-sync.yaml", "application.yaml"} == {
        {"flux": "flux-sync.yaml", "argocd": "application.yaml"}[reconciler]
    }


def test_every_other_command_is_a_make_target_or_the_shells():
    for words in commands():
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", MAKEFILE, re.MULTILINE)
        else:
            assert words[0] in {"gitops-prefix", "export"}


USERS = re.findall(r"`gitops-prefix ([^`]+)`", README.partition("Who uses it")[2])


@pytest.mark.parametrize(
    "call", [call for call in USERS if not call.startswith(("observe", "run"))]
)
def test_a_users_command_works_on_an_example(call, tmp_path, monkeypatch):
    """On a copy of examples/ci; `observe` and `run` need a link and a remote."""
    monkeypatch.chdir(shutil.copytree(ROOT / "examples" / "ci", tmp_path / "ci"))
    assert enter(call.split()) == 0
