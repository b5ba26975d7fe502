"""action.yml, as a runner runs it: its scripts in bash, with the files that GitHub gives."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from gitops_prefix import __version__
from tests.examples.mistakes import MISTAKES
from tests.examples.repositories import ROOT, copy_example, example, parse

(ACTION,) = parse((ROOT / "action.yml").read_text())
INSTALL, *CHECKS = ACTION["runs"]["steps"]


class Ran(NamedTuple):
    code: int
    log: str
    summary: str
    outputs: dict[str, str]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return copy_example("ci", tmp_path)


def run_action(repository: Path, **inputs: str) -> Ran:
    """Every step but the first, which installs; a step that fails ends the job."""
    runner = repository.parent / "runner"
    program = runner / "gitops-prefix" / "bin" / "gitops-prefix"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m gitops_prefix "$@"\n')
    program.chmod(0o755)
    files = {name: runner / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    code, log = 0, ""
    for file in files.values():
        file.touch()
    for step in CHECKS:
        given = {
            name: inputs.get(value.removeprefix("${{ inputs.").removesuffix(" }}"), "")
            for name, value in step["env"].items()
        }
        environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(runner), "CI": "true",
            "GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(runner), **given,
            **{name: str(file) for name, file in files.items()},
        }  # fmt: skip
        ran = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=repository, env=environment, check=False, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        log, code = log + ran.stdout, ran.returncode
        if code:
            break
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
    return Ran(code, log, files["GITHUB_STEP_SUMMARY"].read_text(), outputs)


def replace(repository: Path, path: str, before: str, after: str) -> None:
    text = (repository / path).read_text()
    assert before in text
    (repository / path).write_text(text.replace(before, after, 1))


def test_a_repository_that_is_rendered_passes(repository):
    ran = run_action(repository)
    assert (ran.code, ran.outputs["changed"]) == (0, "false")
    assert ran.summary == "### gitops-prefix: the manifests follow the prefix\n"
    assert "::" not in ran.log


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_action_fails_on(mistake, repository):
    change, codes = MISTAKES[mistake]
    replace(repository, *change)
    ran = run_action(repository)
    assert ran.code == next(filter(None, codes))
    assert re.search(r"^::(error|warning) title=", ran.log, re.MULTILINE)


def test_what_is_not_rendered_is_shown_as_a_diff(repository):
    """On the summary page and in a file that is short enough for a comment."""
    change, _ = MISTAKES["another range that is not rendered"]
    replace(repository, *change)
    ran = run_action(repository)
    assert (ran.code, ran.outputs["changed"]) == (1, "true")
    assert "\n```diff\n--- a/network/pool.yaml\n" in ran.summary
    assert '\n+    - start: "2001:db8:1234:0:e000::"\n' in ran.summary
    assert Path(ran.outputs["summary"]).read_text() == ran.summary
    patch = ran.summary.split("```diff\n")[1].split("\n```")[0]
    subprocess.run(
        ["git", "apply", "--check", "-"], cwd=repository, input=patch, text=True, check=True,
        env={**os.environ, "GIT_DIR": "/nonexistent"},
    )  # fmt: skip


def test_a_strangers_text_ends_no_block_and_commands_no_runner(repository):
    """Fences in a comment beside what changes, and lines that a runner would take for commands."""
    replace(repository, "network/prefix.yaml", '"::f000:0:0:0"', '"::e000:0:0:0"')
    hostile = "spec:\n  # ````\n  # ::set-output name=x::y\n"
    replace(repository, "network/pool.yaml", "spec:\n", hostile)
    (repository / "network" / "pool.yaml").rename(repository / "network" / "a\n::error::b.yaml")
    (repository / "gitops-prefix.yaml").write_text("diff: true\noutput: json\n")
    ran = run_action(repository)
    assert ran.code == 1
    fences = re.findall(r"^(`{3,})(?:diff)?$", ran.summary, re.MULTILINE)
    assert fences == ["`````", "`````"]
    assert "# ````" in ran.summary
    commands = [line for line in ran.log.splitlines() if "::" in line]
    assert all(line.startswith("::warning title=would-change,file=network/") for line in commands)


def test_a_long_diff_is_cut_to_what_a_comment_holds(repository):
    pool = (repository / "network" / "pool.yaml").read_text()
    for number in range(300):
        (repository / "network" / f"pool-{number}.yaml").write_text(pool)
    replace(repository, "network/prefix.yaml", '"::f000:0:0:0"', '"::e000:0:0:0"')
    ran = run_action(repository)
    assert ran.code == 1
    assert 60_000 < len(ran.summary) < 65_536
    assert ran.summary.endswith("\n```\n\nThe rest was cut off.\n")


def test_inputs_reach_the_program(repository):
    """A path and patterns, separated by blanks."""
    replace(repository, "network/prefix.yaml", '"::f000:0:0:0"', '"::e000:0:0:0"')
    ran = run_action(repository, exclude="pool.yaml prefix.yaml cidr-group.yaml")
    assert "title=nothing-managed::" in ran.log
    shutil.rmtree(repository.parent / "runner")
    assert "::error title=invalid-path" in run_action(repository, path="nowhere").log


def test_no_script_holds_an_expression():
    """GitHub pastes them into the script as they are: inputs come by the environment."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"


def test_what_is_installed_is_there_and_pinned():
    """The files that the first step names; nothing of the checked repository is imported."""
    assert INSTALL["run"].index('cd "$GITHUB_ACTION_PATH"') < INSTALL["run"].index("python3 -m")
    for lock in re.findall(r"--requirement (\S+)", INSTALL["run"]):
        assert "--hash=sha256:" in (ROOT / lock).read_text()
    assert "--require-hashes" in INSTALL["run"]


def test_the_example_uses_this_action_at_this_version():
    (workflow,) = parse((example("ci") / ".github/workflows/prefix.yaml").read_text())
    used = [step["uses"] for step in workflow["jobs"]["manifests"]["steps"]]
    assert used[-1] == f"gitops-prefix/gitops-prefix@v{__version__}"
    assert workflow["permissions"] == {"contents": "read"}
