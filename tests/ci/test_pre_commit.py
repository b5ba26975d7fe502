""".pre-commit-hooks.yaml: each hook's entry, and all of them through pre-commit."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.repositories import ROOT, copy_example, example, parse
from tests.parts import require

(HOOKS,) = parse((ROOT / ".pre-commit-hooks.yaml").read_text())
NAMES = [hook["id"] for hook in HOOKS]
NOT_RENDERED = ("network/prefix.yaml", '"::f000:0:0:0"', '"::e000:0:0:0"')
MISSPELT = ("network/pool.yaml", "range: loadbalancers", "range: loadbalancer")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout with everything added, and `gitops-prefix` on the way to programs."""
    directory = copy_example("ci", tmp_path)
    (directory / ".pre-commit-config.yaml").unlink()
    program = tmp_path / "bin" / "gitops-prefix"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m gitops_prefix "$@"\n')
    program.chmod(0o755)
    call(directory, "git", "init", "--quiet", ".")
    call(directory, "git", "add", "--all")
    return directory


def call(directory: Path, *words: str) -> tuple[int, str]:
    home = directory.parent
    ran = subprocess.run(
        words, cwd=directory, check=False, timeout=120, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={
            "PATH": f"{home / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(home),
            "PRE_COMMIT_HOME": str(home / "pre-commit"), "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        },
    )  # fmt: skip
    return ran.returncode, ran.stdout


def change(directory: Path, path: str, before: str, after: str) -> None:
    text = (directory / path).read_text()
    assert before in text
    (directory / path).write_text(text.replace(before, after, 1))
    call(directory, "git", "add", path)


EXPECTED = {
    "nothing wrong": (None, {"validate": 0, "check": 0, "render": 0}),
    "a range that is not rendered": (NOT_RENDERED, {"validate": 0, "check": 1, "render": 0}),
    "a range that is misspelt": (MISSPELT, {"validate": 2, "check": 2, "render": 2}),
}


@pytest.mark.parametrize(("slip", "codes"), EXPECTED.values(), ids=EXPECTED)
def test_what_a_hook_runs_answers_with_its_exit_code(slip, codes, repository):
    for hook in HOOKS:
        if slip and slip[1] in (repository / slip[0]).read_text():
            change(repository, *slip)
        code, output = call(repository, *shlex.split(hook["entry"]))
        assert code == codes[hook["id"].removeprefix("gitops-prefix-")], output


def test_pre_commit_runs_them(repository):
    """With what the hooks file says, but for the environment: the program is there already."""
    require("pre-commit")
    hooks = [{**hook, "language": "system"} for hook in HOOKS if "check" not in hook["id"]]
    configuration = {"repos": [{"repo": "local", "hooks": hooks}]}
    # JSON is YAML.
    (repository / ".pre-commit-config.yaml").write_text(json.dumps(configuration))
    call(repository, "git", "add", ".pre-commit-config.yaml")
    code, output = call(repository, "pre-commit", "run")
    assert code == 0, output
    assert output.count("Passed") == 2
    change(repository, *NOT_RENDERED)
    code, output = call(repository, "pre-commit", "run")
    assert code == 1, output
    assert "files were modified by this hook" in output
    assert '"2001:db8:1234:0:e000::"' in (repository / "network" / "pool.yaml").read_text()
    call(repository, "git", "add", "--all")
    code, output = call(repository, "pre-commit", "run")
    assert code == 0, output


def test_the_hooks_file_is_one():
    require("pre-commit")
    code, output = call(ROOT, "pre-commit", "validate-manifest", ".pre-commit-hooks.yaml")
    assert code == 0, output


def test_every_hook_sees_what_the_program_reads():
    """It is called when one of these changes, and looks at all of them."""
    for hook in HOOKS:
        assert not hook["pass_filenames"]
        for path in ("a.yaml", "b/c.yml", ".gitops-prefixignore"):
            assert re.search(hook["files"], path)
        assert re.search(hook["files"], "dns/Corefile"), "a marked file may have any name"


def test_the_example_names_hooks_that_are_there():
    (configuration,) = parse((example("ci") / ".pre-commit-config.yaml").read_text())
    (repo,) = configuration["repos"]
    assert {hook["id"] for hook in repo["hooks"]} <= set(NAMES)
