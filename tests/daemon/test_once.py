"""How long `--once` listens: until what the link says has settled, and no longer than it may."""

import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitops_prefix.cli.demo import ROUTER, advertisement
from gitops_prefix.daemon.branch import BranchPublisher
from gitops_prefix.daemon.clocks import Wakeup
from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.loop import Loop, Pace
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.outcome import Result
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.plan.ears import Advertised
from gitops_prefix.watch.codec import decode
from tests.daemon.house import A, B, at_home, opened
from tests.gitrepo import example, git

FOREVER = 3600.0


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """examples/plain, where only fe80::1 counts, and A is current."""
    remote, tree = example("plain", tmp_path), tmp_path / "tree"
    path = tree / "prefix.yaml"
    path.write_text(
        path.read_text().replace("interface: eth0", 'interface: eth0\n      routers: ["fe80::1"]')
    )
    git(tree, "commit", "-qam", "one router")
    git(tree, "push", "-q", "origin", "main")
    with at_home(tmp_path / "before", remote) as home:
        home.looks()
        assert home.hears(A).result is Result.PUBLISHED
    git(tree, "pull", "-q", "origin", "main")
    return remote


class Speaks:
    """A listener whose router announces these as soon as somebody listens."""

    def __init__(self, decisions: Decisions, prefixes) -> None:
        self.decisions, self.prefixes = decisions, prefixes

    def follow(self, watched) -> None:
        if self.prefixes:
            heard = decode(advertisement(self.prefixes), source=ROUTER, hop_limit=255)
            router = Router("eth0", "fe80::1")
            self.decisions.take(Advertised(router, heard, time.monotonic(), repeated=False))


@contextmanager
def once(clone: Path, remote: Path, *prefixes):
    """A loop that hears these as soon as it listens, by the clock on the wall."""
    repository = opened(clone, remote)
    metrics, wakeup = Metrics(), Wakeup()
    decisions = Decisions(metrics, time.monotonic, wakeup.nudge)
    try:
        yield Loop(
            BranchPublisher(repository),
            decisions,
            metrics,
            wakeup=wakeup,
            listening=Speaks(decisions, prefixes),
            pace=Pace(settle=0),
        )
    finally:
        repository.close()


def last(outcomes):
    *_, outcome = outcomes
    return outcome


def current(remote: Path) -> str:
    return git(remote, "show", "main:prefix.yaml").partition("currentPrefix: ")[2].split("\n")[0]


def test_a_change_that_is_heard_at_once_is_not_waited_for(tmp_path, remote):
    with once(tmp_path / "clone", remote, B) as loop:
        last(loop.turns_until_decided(FOREVER))
    assert str(B) in current(remote)


def test_the_same_prefix_is_not_waited_for(tmp_path, remote):
    with once(tmp_path / "clone", remote, A) as loop:
        assert last(loop.turns_until_decided(FOREVER)).result is Result.UNCHANGED


def test_a_stabilization_window_is_waited_out(tmp_path, remote):
    """Else no timer would ever see a change: each one would leave before the window ends."""
    tree = tmp_path / "tree"
    path = tree / "prefix.yaml"
    window = "spec:\n  transition:\n    stabilizationWindow: 1s\n"
    path.write_text(path.read_text().replace("spec:\n", window, 1))
    git(tree, "commit", "-qam", "patience")
    git(tree, "push", "-q", "origin", "main")
    with once(tmp_path / "clone", remote, B) as loop:
        last(loop.turns_until_decided(FOREVER))
    assert str(B) in current(remote)


@pytest.mark.parametrize("patience", [0.0, 0.5])
def test_silence_is_waited_for_as_long_as_it_may_and_keeps_the_prefix(tmp_path, remote, patience):
    with once(tmp_path / "clone", remote) as loop:
        begin = time.monotonic()
        assert last(loop.turns_until_decided(patience)).result is Result.UNCHANGED
        assert time.monotonic() >= begin + patience
    assert str(A) in current(remote)
