"""`run --once`: what is not there is bad input; `--dry-run`: what would be published, and is not."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.directories import call
from tests.git_servers import free_port
from tests.gitrepo import example, git
from tests.netns import until
from tests.sourced import Sourced
from tests.static_source import A, fixed


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A remote whose DynamicPrefix is static, and not published yet."""
    made = example("plain", tmp_path)
    fixed(tmp_path / "tree", A)
    return made


def commits(bare: Path) -> list[str]:
    return git(bare, "log", "--format=%H", "--all").split()


def test_a_link_that_is_not_there_is_bad_input(tmp_path):
    """A timer on a misspelt link would be green for ever; the message has the links there are."""
    bare = example("plain", tmp_path)
    words = ["run", "--once", "--wait", "0s", "--repo", str(bare), "--interface", "enp3s0"]
    answer = call(tmp_path, *words)
    assert answer.returncode == 2
    assert 'there is no link "enp3s0" (there are: lo' in answer.stderr
    assert "[no-such-link]" in answer.stderr


def test_the_link_of_a_delegation_that_is_not_there_is_bad_input(tmp_path):
    house = Sourced(tmp_path, "dhcpv6pd: {interface: enp3s0}\n")
    answer = house.run("--once", "--wait", "0s")
    assert answer.returncode == 2
    assert 'there is no link "enp3s0" (there are: lo' in answer.stderr


def test_a_path_that_is_not_there_is_bad_input(tmp_path, bare):
    words = ["run", "--once", "--wait", "0s", "--repo", str(bare)]
    answer = call(tmp_path, *words, "--path", "nope")
    assert answer.returncode == 2
    assert '--path "nope" is not a directory on main' in answer.stderr
    # A directory without a DynamicPrefix is there.
    (tmp_path / "tree" / "empty").mkdir()
    (tmp_path / "tree" / "empty" / "a").touch()
    git(tmp_path / "tree", "add", ".")
    git(tmp_path / "tree", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x")
    git(tmp_path / "tree", "push", "-q", "origin", "main")
    assert call(tmp_path, *words, "--path", "empty/").returncode == 0


def test_a_path_in_a_submodule_is_bad_input(tmp_path, bare):
    tree = tmp_path / "tree"
    tip = git(tree, "rev-parse", "HEAD").strip()
    git(tree, "update-index", "--add", "--cacheinfo", f"160000,{tip},house/infra")
    git(tree, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x")
    git(tree, "push", "-q", "origin", "main")
    words = ["--repo", str(bare), "--path", "house/infra/network/"]
    for command in (["run", "--once", "--wait", "0s"], ["doctor", "--wait", "0s"]):
        answer = call(tmp_path, *command, *words)
        assert answer.returncode == (1 if command[0] == "doctor" else 2)
        assert "is in a Git submodule of main: let a run of" in answer.stdout + answer.stderr


def test_a_dry_run_says_what_it_would_publish_and_leaves_no_trace(tmp_path, bare):
    """Neither on the branch nor in the clone: the run without it publishes."""
    before = commits(bare)
    words = ["run", "--once", "--repo", str(bare), "--clone-dir", str(tmp_path / "clone")]
    answer = call(tmp_path, *words, "--dry-run", "--push-branch", "ours")
    assert answer.returncode == 0, answer.stderr
    assert "home-ipv6: would be 2001:db8:1234::/64 instead of none" in answer.stderr
    assert "rehearsed: a dry run: " in answer.stderr
    assert "network/pool.yaml" in answer.stderr
    assert commits(bare) == before
    assert not [path for path in (tmp_path / "clone").rglob("*") if path.name == "unpublished"]
    assert call(tmp_path, *words).returncode == 0
    assert len(commits(bare)) == len(before) + 1
    again = call(tmp_path, *words, "--dry-run")
    assert again.returncode == 0
    assert "dry run" not in again.stderr


def test_a_daemon_on_trial_shows_it_on_its_page_and_does_not_spin(tmp_path, bare):
    before, port = commits(bare), free_port()
    words = [sys.executable, "-m", "gitops_prefix", "run", "--dry-run", "--repo", str(bare)]
    words += ["--clone-dir", str(tmp_path / "clone"), "--listen", f"127.0.0.1:{port}"]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(words, stderr=log) as process:

        def publication() -> dict:
            try:
                with urlopen(f"http://127.0.0.1:{port}/status", timeout=120) as answer:
                    return json.load(answer)["publication"]
            except OSError:
                return {}

        try:
            until(lambda: publication().get("result") == "rehearsed", "a dry run")
            assert "a dry run: " in publication()["words"]
            until(lambda: publication()["next_try_in_seconds"] > 1, "a wait for the next pass")
        finally:
            process.terminate()
        assert process.wait(120) == 0
    assert commits(bare) == before
    assert (tmp_path / "log").read_text().count("a dry run: ") <= 3
