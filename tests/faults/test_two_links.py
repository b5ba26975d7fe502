"""Two daemons on one repository whose links announce different prefixes.

Each sees the commits of the other undo its own. After the second time nobody commits any
more: both report it, one holds, and the prefix of the other stays.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitops_prefix.decide.selection import Standing
from tests.faults.house import A, B, C, D, House, Time, house, prefixes_of, remote_home, subjects
from tests.gitrepo import git

DAY = 86_400


@contextmanager
def two_daemons(tmp_path: Path, remote: Path) -> Iterator[tuple[House, House]]:
    """The first one's link announces A, the other one's B; they share the time."""
    time = Time()
    with (
        house(tmp_path / "one", remote, time=time) as one,
        house(tmp_path / "two", remote, time=time) as two,
    ):
        one.hears(A)
        two.hears(B)
        yield one, two


def look_by_turns(daemons: tuple[House, House], rounds: int) -> None:
    for _ in range(rounds):
        for daemon in daemons:
            daemon.looks()


def standings(daemons: tuple[House, House]) -> set[Standing]:
    return {daemon.decisions.latest()["home-ipv6"].standing for daemon in daemons}


def degraded(daemon: House) -> float:
    return daemon.scrape()["degraded", "home-ipv6"]


def holds_back(daemons: tuple[House, House], remote: Path) -> House:
    """The daemon whose own prefix is not the one of the repository."""
    return daemons[1] if prefixes_of(remote)[0] == A else daemons[0]


def test_they_hold_after_the_second_time_and_both_report_it(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    remote = remote_home(tmp_path)
    with two_daemons(tmp_path, remote) as daemons:
        look_by_turns(daemons, 3)
        commits = subjects(remote)
        assert len(commits) == 4
        assert standings(daemons) == {Standing.CONTESTED}
        assert [*map(degraded, daemons)] == [1, 1]
        assert sorted(
            daemon.scrape()["current_prefix_announced", "home-ipv6"] for daemon in daemons
        ) == [0, 1]
        look_by_turns(daemons, DAY // 600)
        assert subjects(remote) == commits
        # The one that holds goes on saying so, the other one for an hour.
        assert standings(daemons) == {Standing.CONTESTED, Standing.CURRENT}
    reported = [record for record in caplog.records if "contested-by-another" in record.message]
    assert [record.levelno for record in reported] == [logging.ERROR] * 2


def test_what_the_link_says_anew_ends_the_hold(tmp_path):
    remote = remote_home(tmp_path)
    with two_daemons(tmp_path, remote) as daemons:
        look_by_turns(daemons, 12)
        holds = holds_back(daemons, remote)
        holds.hears(C)
        holds.looks()
        assert prefixes_of(remote)[0] == C
        assert not degraded(holds)


def test_what_a_person_commits_ends_the_hold(tmp_path):
    """Here the other daemon was stopped, and the status put right."""
    remote = remote_home(tmp_path)
    with two_daemons(tmp_path, remote) as daemons:
        look_by_turns(daemons, 12)
        holds = holds_back(daemons, remote)
        ours = A if holds is daemons[0] else B
        commit_status(tmp_path / "tree", D)
        assert prefixes_of(remote) == (D,)
        holds.looks()
        holds.looks()
        assert prefixes_of(remote)[0] == ours


def test_a_person_who_reverts_is_no_other_daemon(tmp_path):
    remote = remote_home(tmp_path)
    with house(tmp_path / "one", remote) as daemon:
        daemon.hears(A)
        daemon.looks()
        daemon.hears(B)
        daemon.looks()
        for _ in range(3):
            revert_last(tmp_path / "tree")
            daemon.looks()
            assert prefixes_of(remote)[0] == B
        assert not degraded(daemon)


def commit_status(tree: Path, prefix: object) -> None:
    """A person writes the status by hand: nothing but the prefix."""
    git(tree, "pull", "-q", "--rebase", "origin", "main")
    document = tree / "prefix.yaml"
    text = document.read_text().partition("\nstatus:")[0]
    document.write_text(f'{text.rstrip()}\nstatus:\n  currentPrefix: "{prefix}"\n')
    git(tree, "commit", "-qam", "by hand")
    git(tree, "push", "-q", "origin", "HEAD:main")


def revert_last(tree: Path) -> None:
    git(tree, "pull", "-q", "--rebase", "origin", "main")
    git(tree, "revert", "--no-edit", "HEAD")
    git(tree, "push", "-q", "origin", "HEAD:main")
