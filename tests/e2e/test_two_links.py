"""Two daemons on one repository, each on a link of its own with a real radvd."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests import netns
from tests.gitrepo import example, git
from tests.netns import whole_lines
from tests.parts import require

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
PREFIXES = ("2001:db8:1234::/64", "2001:db8:5678::/64")
CONTESTED = "contested-by-another-daemon"


@contextmanager
def two_daemons(directory: Path, remote: Path) -> Iterator[list[Path]]:
    """The logs of two daemons that hear different prefixes and look every second."""
    logs = []
    with ExitStack() as stack:
        for number, prefix in enumerate(PREFIXES):
            place = directory / f"link{number}"
            place.mkdir()
            logs.append(place / "log")
            lab = stack.enter_context(netns.lab())
            stack.enter_context(netns.Radvd(lab, place).advertising(prefix))
            words = [*PROGRAM, "run", "--repo", str(remote), "--clone-dir", str(place / "clone")]
            words += ["--interface", "eth0", "--interval", "1s"]
            log = stack.enter_context(logs[-1].open("w"))
            stack.enter_context(lab.node.start(*words, stderr=log))
        yield logs


def subjects(remote: Path) -> list[str]:
    return git(remote, "log", "--format=%s", "main").splitlines()


def errors(log: Path) -> list[str]:
    lines = [json.loads(line) for line in whole_lines(log)]
    return [line["message"] for line in lines if CONTESTED in line["message"]]


def test_they_stop_after_the_second_time_and_both_report_it(tmp_path):
    require("netns", "radvd")
    remote = example("flux", tmp_path)
    with two_daemons(tmp_path, remote) as logs:
        netns.until(lambda: all(map(errors, logs)), "daemons that report each other")
        commits = subjects(remote)
        time.sleep(6)
        assert subjects(remote) == commits
    assert [len(errors(log)) for log in logs] == [1, 1]
    assert len(commits) <= 6
