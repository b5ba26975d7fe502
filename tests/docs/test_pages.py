"""What the pages say is true: links lead somewhere, documents are read, commands run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gitops_prefix.cli.commands import COMMANDS, cli
from gitops_prefix.render.inventory import read_inventory
from gitops_prefix.render.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("examples/*/README.md")]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path):
    """A relative link names a file of the repository."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_dynamic_prefix_of_the_page_is_read_without_a_problem():
    """The whole example is valid, to the last field."""
    page = (ROOT / "docs" / "dynamic-prefix.md").read_text()
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    inventory = read_inventory({"prefix.yaml": example.encode()}, Settings())
    assert not inventory.problems
    assert list(inventory.dynamic_prefixes) == ["home-ipv6"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str):
    """--help works, says what it does, and each option has a help text."""
    answer = CliRunner().invoke(cli, [command, "--help"])
    assert answer.exit_code == 0, answer.output
    module = cli.get_command(None, command)
    assert all(one.help for one in module.params if isinstance(one, click.Option))


def test_the_quick_start_works(tmp_path: Path):
    """README's own lines, run in an empty directory."""
    text = (ROOT / "README.md").read_text()
    lines = re.findall(r"^\$ \.venv/bin/(gitops-prefix .*)$", text, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        words = [sys.executable, "-m", "gitops_prefix", *shlex.split(line)[1:]]
        answer = subprocess.run(words, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
    assert "2001:db8:1234:0:f000::" in answer.stdout


def test_the_four_users_commands_work_on_an_example(tmp_path: Path):
    """validate, render and status run on a copy of examples/ci."""
    shutil.copytree(ROOT / "examples" / "ci", tmp_path / "ci")
    for words, code in (
        ("validate --output github", 0),
        ("render --check", 0),
        ("render --diff", 0),
        ("status", 0),
    ):
        command = [sys.executable, "-m", "gitops_prefix", *words.split()]
        answer = subprocess.run(
            command, cwd=tmp_path / "ci", check=False, capture_output=True, text=True
        )
        assert answer.returncode == code, answer.stderr


def test_the_demo_shows_three_commits():
    """A, then B, then A again: three commits and a quiet pass, without root or network."""
    answer = CliRunner().invoke(cli, ["demo"], standalone_mode=False)
    assert answer.exception is None
    assert answer.output.count("\nDynamic-Prefix: home-ipv6\n") == 3
    assert "2001:db8:5678::/64 -> 2001:db8:1234::/64" in answer.output
    assert "the next pass: unchanged, no commit" in answer.output
