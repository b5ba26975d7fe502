"""SIGKILL before each call of git while a change goes to a branch of ours."""

import os
import subprocess
from pathlib import Path

from gitops_prefix.decide.prefix import Prefix
from tests.daemon.proposing import OURS, heads, parents, status_on
from tests.e2e.pull_requests import PROGRAM, fix, head
from tests.gitrepo import example, git

SHIM = """#!/bin/sh
number=$(( $(cat {count}) + 1 ))
echo $number > {count}
[ $number = "$(cat {at})" ] && kill -9 $PPID && exit 1
exec {git} "$@"
"""


def test_the_branch_has_a_whole_change_or_none_and_the_next_start_brings_it(tmp_path):
    remote = example("plain", tmp_path)
    count, at, shims = tmp_path / "count", tmp_path / "at", tmp_path / "shims"
    shims.mkdir()
    real = next(p for p in os.environ["PATH"].split(":") if (Path(p) / "git").exists())
    (shims / "git").write_text(SHIM.format(count=count, at=at, git=f"{real}/git"))
    (shims / "git").chmod(0o755)
    words = [*PROGRAM, "--once", "--repo", str(remote), "--clone-dir", str(tmp_path / "clone")]

    def run(step: int) -> int:
        count.write_text("0")
        at.write_text(f"{step}")
        environment = os.environ | {"PATH": f"{shims}:{os.environ['PATH']}"}
        command = [*words, "--push-branch", "gitops-prefix/{name}"]
        return subprocess.run(
            command, check=False, capture_output=True, timeout=120, env=environment
        ).returncode

    # Every other call: two starts each, and the calls between are like their neighbours.
    for step in range(1, 200, 2):
        prefix = f"2001:db8:{step:x}::/64"
        fix(tmp_path / "tree", prefix)
        main, before = head(remote, "main"), heads(remote).get(OURS)
        status = run(step)
        assert head(remote, "main") == main
        now = heads(remote).get(OURS)
        if now != before:
            assert parents(remote, OURS) == [main]
            assert status_on(remote, OURS).current == Prefix.parse(prefix)
        if status == 0:
            break
        assert status == -9
        assert run(0) == 0
        assert parents(remote, OURS) == [main]
        assert status_on(remote, OURS).current == Prefix.parse(prefix)
    assert step > 6, "each call of git was a step"
    git(remote, "fsck", "--strict")
