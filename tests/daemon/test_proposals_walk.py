"""Whatever happens in whatever order: nothing of others is lost, main is theirs, and we fall silent."""

import os
import random
import subprocess

import pytest

from gitops_prefix.daemon.outcome import Result
from tests.daemon.house import A, B, C, House, Time
from tests.daemon.proposing import (
    OURS,
    daemon_of,
    heads,
    merge,
    parents,
    somebody_pushes,
    status_on,
)
from tests.gitrepo import example, git

# Weighted: what people do to our branch matters most just before another prefix comes.
EVENTS = [
    "A",
    "B",
    "C",
    "A",
    "B",
    "C",
    "silence",
    "silence",
    "base",
    "squash",
    "merge",
    "delete",
    "theirs",
    "theirs",
    "kill",
    "lost",
]
PREFIXES = {"A": A, "B": B, "C": C}


class Walk:
    """A remote, people, and one daemon at a time."""

    def __init__(self, directory) -> None:
        self.directory, self.clones, self.pushes = directory, 0, 0
        self.remote = example("plain", directory)
        self.link = A
        self.theirs: set[str] = set()
        self.main: list[str] = [git(self.remote, "rev-parse", "main").strip()]
        self.time = Time()
        self.daemon = self.start()

    def start(self) -> House:
        clone = self.directory / f"clone-{self.clones}"
        return daemon_of(clone, self.remote, time=self.time)

    def happen(self, event: str) -> None:
        tree, ours = self.directory / "tree", OURS in heads(self.remote)
        if event in PREFIXES:
            self.link = PREFIXES[event]
        elif event == "base":
            self.pushes += 1
            somebody_pushes(tree, name=f"theirs-{self.pushes}.txt")
        elif event in {"squash", "merge"} and ours and self.merges(event):
            merge(tree, event)
        elif event == "delete" and ours:
            git(self.remote, "update-ref", "-d", f"refs/heads/{OURS}")
            self.theirs.clear()
        elif event == "theirs" and ours:
            self.pushes += 1
            self.theirs.add(somebody_pushes(tree, OURS, f"more-{self.pushes}.txt"))
        elif event in {"kill", "lost"}:
            self.daemon.killed()
            self.clones += event == "lost"
            self.daemon = self.start()
        self.main.append(git(self.remote, "rev-parse", "main").strip())

    def merges(self, how: str) -> bool:
        """Whether a person could: nothing is left, or it does not fit any more, otherwise."""
        words = ("merge-tree", "--write-tree", "main", OURS)
        try:
            merged = git(self.remote, *words).split()[0]
        except subprocess.CalledProcessError:
            return False
        return how == "merge" or merged != git(self.remote, "rev-parse", "main^{tree}").strip()

    def hears(self, prefix):
        return self.daemon.hears(prefix)

    def check(self, outcome) -> None:
        assert git(self.remote, "rev-parse", "main").strip() == self.main[-1], "main is theirs"
        for commit in self.theirs:
            git(self.remote, "merge-base", "--is-ancestor", commit, OURS)
        if outcome.result is Result.PUBLISHED:
            assert parents(self.remote, OURS) == [self.main[-1]], "one commit, on the tip"
        if outcome.result in {Result.PUBLISHED, Result.UNCHANGED}:
            proposals = outcome.decided.proposals
            where = OURS if proposals and proposals[0].commit else "main"
            if not self.theirs:
                if where == OURS:
                    assert parents(self.remote, OURS) == [self.main[-1]]
                assert status_on(self.remote, where).current == self.link


# `make soak` walks further.
@pytest.mark.parametrize("seed", range(40 if os.environ.get("SOAK") else 2))
def test_any_walk(tmp_path, seed):
    walk = Walk(tmp_path)
    events = random.Random(seed).choices(EVENTS, k=14)
    walk.check(walk.hears(walk.link))
    for event in events:
        walk.happen(event)
        outcome = walk.hears(None if event == "silence" else walk.link)
        if event != "silence":
            walk.check(outcome)
        before = heads(walk.remote)
        again = walk.hears(walk.link)
        assert again.result in {Result.UNCHANGED, Result.HELD}, (event, again)
        assert again.result is Result.UNCHANGED or walk.theirs
        assert heads(walk.remote) == before, "and then there is silence"
        status = again.decided.statuses["home-ipv6"]
        assert len(set(status.prefixes)) == len(status.prefixes)
        assert status.acquired_at <= walk.time.calendar()
    walk.daemon.killed()
