"""What happens within `--settle` is one commit, made while the burst settles."""

from math import inf
from pathlib import Path

import pytest

from gitops_prefix.daemon.outcome import Outcome, Pushed, Result, UpToDate
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.advertisements import Solicit
from tests.daemon.house import A, B, C, House, opened
from tests.decide.routers_saying import SECOND
from tests.gitrepo import example, git

SETTLE = 0.25


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return example("plain", tmp_path)


@pytest.fixture
def house(tmp_path, remote):
    house = House(opened(tmp_path / "clone", remote), settle=SETTLE)
    house.lives(1)
    yield house
    house.killed()


def subjects(remote: Path) -> list[str]:
    """Newest first, without the commit that the repository began with."""
    return git(remote, "log", "--format=%s", "main").splitlines()[:-1]


def waited(house: House) -> float:
    """Seconds that passed between the news and the push, at most a settle."""
    return sum(seconds for seconds in house.time.waits if seconds <= SETTLE)


def test_the_commit_is_there_while_the_burst_settles_and_pushed_at_its_end(house, remote):
    """Another router may still announce a better prefix: a first one is waited for."""
    seen = []
    house.announces(A)
    house.time.meanwhile = [lambda: seen.append((house.repository.unpublished, subjects(remote)))]
    assert isinstance(house.lives(1), Pushed)
    [(unpublished, before)] = seen
    assert before == []
    assert git(remote, "rev-parse", "main").strip() == unpublished
    assert subjects(remote) == [f"prefix(home-ipv6): {A}"]
    assert waited(house) >= SETTLE


def test_another_decision_within_the_burst_makes_the_commit_anew(house, remote):
    """Made anew on the same tip: one commit, and a history that never knew the other."""
    house.announces(B)
    house.time.meanwhile = [lambda: house.announces(A, router=SECOND)]
    assert isinstance(house.lives(1), Pushed)
    assert subjects(remote) == [f"prefix(home-ipv6): {A}"]
    assert house.outcome.decided.statuses["home-ipv6"].prefixes == (A,)
    assert house.repository.unpublished is None


def test_a_burst_that_ends_where_it_began_is_no_commit(house, remote):
    """The router takes its prefix back, another one announces B; then A is there again."""
    house.announces(A)
    house.announces(B, router=SECOND)
    house.lives(100)
    house.withdraws()
    house.time.meanwhile = [lambda: house.announces(A)]
    assert isinstance(house.lives(1), UpToDate)
    assert subjects(remote) == [f"prefix(home-ipv6): {A}"]
    assert house.repository.unpublished is None


def test_a_call_while_a_pass_begins_is_not_lost(tmp_path, remote):
    """A SIGHUP, or the lead, after the reasons for a pass were read."""
    calls: list[object] = []

    class Calls:
        """A follow-up; the loop asks for its time after it has read whether it was called."""

        @property
        def due_at(self) -> float:
            if calls:
                calls.pop()()
            return inf

        def run(self, outcome: Outcome, now: float) -> None:
            """Nothing."""

    repository = opened(tmp_path / "clone", remote)
    house = House(repository, follow_ups=(Calls(),))
    house.lives(1)
    calls.append(house.loop.look_now)
    house.announces(A)
    house.passes()
    assert not calls
    assert house.loop.why().called
    house.passes()
    assert not house.loop.why().called
    house.killed()


def test_a_solicitation_that_could_not_be_sent_is_requested_again(tmp_path, remote):
    """The link had no address yet, or the watcher was made anew. A router that is silent is in
    doubt until it was asked: its prefix would else stay until the branch is due for a look.
    """

    class Lost:
        """Takes every request, and sends nothing."""

        def __init__(self) -> None:
            self.requests: list[object] = []

        def follow(self, watched: object) -> None:
            """Nothing."""

        def request(self, request: object) -> None:
            self.requests.append(request)

    lost = Lost()
    house = House(opened(tmp_path / "clone", remote), listening=lost)
    house.lives(1)
    house.announces(A)
    house.lives(1799)
    assert not lost.requests
    house.lives(100)
    assert {*lost.requests} == {Solicit("eth0")}
    assert 24 <= len(lost.requests) <= 27
    house.killed()


def test_what_is_decided_while_a_pass_fails_is_news_for_the_next(tmp_path, remote):
    """The pass failed with the decision of before; the new one was never tried."""
    house = House(opened(tmp_path / "clone", remote), leads=lambda: house.announces(B))
    house.announces(A)
    house.looks()
    assert house.results == [Result.FOLLOWING]
    assert house.loop.why().news
    house.passes()
    assert not house.loop.why().news
    house.killed()


def test_a_decision_that_came_while_the_commit_was_made_takes_its_place(tmp_path, remote):
    """A router withdraws its prefix, and announces another a moment later: that one is final."""

    def leads() -> bool:
        if meanwhile:
            house.announces(meanwhile.pop())
        return True

    meanwhile: list[Prefix] = []
    house = House(opened(tmp_path / "clone", remote), leads=leads, settle=SETTLE)
    house.lives(1)
    house.announces(B)
    house.announces(C, router=SECOND)
    house.lives(100)
    house.withdraws()
    meanwhile.append(A)
    house.lives(1)
    assert subjects(remote) == [f"prefix(home-ipv6): {B} -> {A}", f"prefix(home-ipv6): {B}"]
    house.killed()


def test_a_router_that_replaces_its_own_prefix_is_not_waited_for(house, remote):
    house.announces(A)
    house.lives(100)
    house.time.waits.clear()
    house.announces(B)
    assert isinstance(house.lives(0.001), Pushed)
    assert waited(house) <= 0.002
    assert subjects(remote)[0] == f"prefix(home-ipv6): {A} -> {B}"


def test_a_commit_that_waits_for_its_remote_is_kept_when_the_burst_changes_the_next(
    house, remote, tmp_path
):
    """A, then B or C while the remote is away: what waits already stays."""
    away = remote.rename(tmp_path / "away.git")
    house.announces(A)
    house.lives(1)
    waiting = house.repository.unpublished
    house.announces(C, router=SECOND)
    house.lives(100)
    house.withdraws()
    house.time.meanwhile = [lambda: house.announces(B)]
    house.lives(1)
    assert house.outcome.decided.base == waiting
    away.rename(remote)
    house.loop.look_now()
    house.lives(1)
    assert house.is_right
    assert house.outcome.decided.statuses["home-ipv6"].prefixes == (B, A)
    assert subjects(remote) == [
        f"prefix(home-ipv6): {A} -> {B}",
        f"prefix(home-ipv6): {A}",
    ]
