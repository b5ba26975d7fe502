"""Bad input: one message with its place, exit code 2, and what was there is untouched."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.directories import ROOT, call, snapshot
from tests.gitrepo import example


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples" / "plain", tmp_path / "home")
    return tmp_path / "home"


SLIPS = {
    "a suffix with prefix bits": (
        "prefix.yaml", 'start: "::f000:0:0:0"', 'start: "2001:db8::f000:0:0:0"', "suffix-in-prefix", "prefix.yaml:",
    ),
    "a range that is missing": (
        "network/pool.yaml", "address-range: loadbalancers", "address-range: loadbalancer", "unknown-address-range",
        "network/pool.yaml:",
    ),
    "an annotation that names nothing": (
        "network/pool.yaml", "name: home-ipv6", "name: home-ipv4", "unknown-dynamic-prefix", "network/pool.yaml:",
    ),
    "YAML that does not parse": (
        "network/cidr-group.yaml", "spec:", "spec: [", "not-yaml", "network/cidr-group.yaml:",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "command", [["render"], ["render", "--check"], ["validate"], ["status"]], ids=" ".join
)
@pytest.mark.parametrize(("file", "old", "new", "code", "place"), SLIPS.values(), ids=SLIPS)
def test_a_slip_in_a_file(repository, file, old, new, code, place, command):
    """Every command that reads the file says the same, and writes nothing."""
    path = repository / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    before = snapshot(repository)
    answer = call(repository, *command)
    assert answer.returncode == 2
    errors = [line for line in answer.stderr.splitlines() if f"[{code}]" in line]
    assert len(errors) == 1
    assert errors[0].startswith(place)
    assert "Traceback" not in answer.stderr
    assert snapshot(repository) == before


def test_two_of_one_name(repository):
    """The message names both places."""
    shutil.copy(repository / "prefix.yaml", repository / "second.yaml")
    answer = call(repository, "render")
    assert answer.returncode == 2
    assert "second.yaml:" in answer.stderr
    assert "also in prefix.yaml:" in answer.stderr


def test_errors_as_json(repository):
    """On stdout, with path, line, column, code and message."""
    path = repository / "network" / "pool.yaml"
    path.write_text(path.read_text().replace("home-ipv6", "nobody"))
    answer = call(repository, "render", "--output", "json")
    assert answer.returncode == 2
    [error] = json.loads(answer.stdout)["errors"]
    assert set(error) == {"path", "line", "column", "code", "message"}
    assert (error["path"], error["code"]) == ("network/pool.yaml", "unknown-dynamic-prefix")
    assert error["line"] > 1


def test_errors_as_workflow_commands(repository):
    """GitHub puts them beside the line."""
    path = repository / "network" / "pool.yaml"
    path.write_text(path.read_text().replace("home-ipv6", "nobody"))
    answer = call(repository, "validate", "--output", "github")
    assert answer.returncode == 2
    assert answer.stdout.startswith(
        "::error title=unknown-dynamic-prefix,file=network/pool.yaml,line="
    )


OPTIONS = {
    "a prefix that is none": ["render", "--prefix", "home-ipv6=banana"],
    "a prefix without a name": ["render", "--prefix", "2001:db8::/64"],
    "a prefix with host bits": ["render", "--prefix", "home-ipv6=2001:db8::1/64"],
    "a name that is not there": ["render", "--prefix", "nobody=2001:db8::/64"],
    "a prefix too long for the range": ["render", "--prefix", "home-ipv6=2001:db8::/80"],
    "a time without a zone": ["render", "--now", "2026-11-24T10:00:00"],
    "a path outside": ["render", "--path", "../.."],
    "a directory that is not there": ["render", "nowhere"],
    "an option that is not there": ["render", "--pancakes"],
    "a command that is not there": ["bake"],
    "no link and no capture": ["observe"],
    "no repository": ["run", "--repo", "."],
    "no such directory": ["run", "--repo", "./nowhere"],
    "ssh without a key": ["run", "--repo", "git@git.example.com:home.git"],
    "a key without known hosts": [
        "run",
        "--repo",
        "git@git.example.com:home.git",
        "--ssh-key",
        "k",
    ],
    "a password in the URL": ["run", "--repo", "https://me:hunter2@git.example.com/home.git"],
    "a token in the clear": [
        "run",
        "--repo",
        "http://git.example.com/home.git",
        "--token-file",
        "prefix.yaml",
    ],
    "a branch that is no name": ["run", "--repo", ".", "--branch", "a..b"],
    "an option for a branch": ["run", "--repo", ".", "--branch", "--force"],
    "a name that breaks out of YAML": ["init", "--name", 'a"b'],
}


@pytest.mark.parametrize("words", OPTIONS.values(), ids=OPTIONS)
def test_a_slip_on_the_command_line(repository, words):
    before = snapshot(repository)
    answer = call(repository, *words)
    assert answer.returncode == 2, answer.stderr
    assert answer.stderr.strip()
    assert "Traceback" not in answer.stderr
    assert "hunter2" not in answer.stderr + answer.stdout
    assert snapshot(repository) == before


def test_a_remote_that_does_not_exist(repository):
    """The outside failed: exit code 3, in git's words."""
    answer = call(repository, "run", "--once", "--repo", "http://127.0.0.1:9/home.git")
    assert answer.returncode == 3
    assert "127.0.0.1" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(("words", "told"), [([], False), (["--path", "netwrok"], True)])
def test_a_branch_where_nothing_is_found_is_told(tmp_path, words, told):
    """No error, since a first DynamicPrefix may come later; but silence would look like success."""
    bare = example("plain", tmp_path)
    words = ["--once", "--wait", "0s", *words]
    answer = call(tmp_path, "run", "--repo", str(bare), "--clone-dir", str(tmp_path / "c"), *words)
    assert ('no DynamicPrefix is on \\"main\\"' in answer.stderr) is told
    assert answer.stderr.count("no DynamicPrefix") == told


def test_a_branch_that_does_not_exist(repository):
    """The message says which there are."""
    for words in (
        ("init", "-q", "-b", "trunk"),
        ("add", "-A"),
        ("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"),
    ):
        subprocess.run(["git", *words], cwd=repository, check=True)
    answer = call(repository, "run", "--once", "--repo", str(repository))
    assert answer.returncode == 2
    assert 'no branch "main" (it has: trunk)' in answer.stderr
