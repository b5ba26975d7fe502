"""What the READMEs and the pipelines of the examples run, run here."""

import re
import shlex
import subprocess

import pytest

from gitops_prefix import __version__
from gitops_prefix.cli.door import enter
from tests.examples.mistakes import MISTAKES
from tests.examples.repositories import EXAMPLES, build, copy_example, example, parse

CONSOLE = re.compile(r"^ *\$ (.+)$", re.MULTILINE)
ELSEWHERE = {"argocd", "flux"}
"""Programs that need a cluster."""


def gitlab_commands() -> list[str]:
    """The steps of the pipeline that call a program; GitHub's are in tests/ci."""
    (gitlab,) = parse((example("ci") / ".gitlab-ci.yml").read_text())
    return gitlab["prefix"]["script"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_command_of_a_readme_works_in_its_directory(name, tmp_path, monkeypatch):
    directory = copy_example(name, tmp_path)
    monkeypatch.chdir(directory)
    commands = CONSOLE.findall((directory / "README.md").read_text())
    ran = 0
    for command in commands:
        match shlex.split(command):
            case ["gitops-prefix", *arguments]:
                assert enter(arguments) == 0, command
                ran += 1
            case ["kubectl", "kustomize", *path]:
                assert build(directory.joinpath(*path)), command
            case [program, *_]:
                assert program in ELSEWHERE or "--filename" in command, command
    assert ran == 2
    # They show, and write nothing.
    compared = ["diff", "--recursive", str(example(name)), str(directory)]
    assert subprocess.run(compared, capture_output=True, check=False).stdout == b""


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_file_that_a_readme_names_is_there(name):
    text = (example(name) / "README.md").read_text()
    for named in re.findall(r"`([\w./-]+(?:\.yaml|\.yml))`", text):
        assert list(example(name).rglob(named)), named


def test_a_pipeline_installs_this_version_validates_and_checks(tmp_path, monkeypatch):
    monkeypatch.chdir(copy_example("ci", tmp_path))
    install, *checks = gitlab_commands()
    assert install.endswith(f"gitops-prefix=={__version__}")
    words = [shlex.split(check) for check in checks]
    assert [word[1] for word in words] == ["validate", "render"]
    assert [enter(word[1:]) for word in words] == [0, 0]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_pipeline_fails_on(mistake, tmp_path, monkeypatch):
    directory = copy_example("ci", tmp_path)
    monkeypatch.chdir(directory)
    (path, before, after), codes = MISTAKES[mistake]
    text = (directory / path).read_text()
    assert before in text
    (directory / path).write_text(text.replace(before, after, 1))
    checks = [shlex.split(check)[1:] for check in gitlab_commands()[1:]]
    assert [enter(arguments) for arguments in checks] == codes


def test_a_github_annotation_names_the_file_and_the_line(tmp_path, monkeypatch, capsys):
    directory = copy_example("ci", tmp_path)
    monkeypatch.chdir(directory)
    pool = directory / "network" / "pool.yaml"
    pool.write_text(pool.read_text().replace("range: loadbalancers", "range: loadbalancer"))
    assert enter(["validate", "--output", "github"]) == 2
    assert "file=network/pool.yaml,line=8,col=38::" in capsys.readouterr().out
