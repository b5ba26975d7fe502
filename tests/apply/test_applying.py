"""The thread that applies: what it asks for, what it says, and how it goes on after failures."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gitops_prefix.apply import applying
from gitops_prefix.apply.applying import Applying
from gitops_prefix.apply.fields import ObjectReport, ObjectResult
from gitops_prefix.apply.policy import ApplyMode, ApplyPolicy, BranchState
from gitops_prefix.errors import OutsideError
from tests.apply.manifests import POOL, A, B, configurations
from tests.netns import until

AWAY = BranchState.BEHIND, "ours"
BACK = BranchState.PUBLISHED, "ours"
UP = BranchState.RIGHT, "ours"
NEXT = BranchState.PUBLISHED, "next"
WANTED = configurations({"pool.yaml": POOL}, "", A, B)


SPEAKING = {ObjectResult.FAILED, ObjectResult.NOT_INSTALLED, ObjectResult.WAITING}


class Cluster:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.about: list[int] = []
        self.wanted: list[tuple] = []
        self.answers: dict[str, ObjectResult | str] = {}
        self.changed = threading.Condition()

    def _answer(self, what: str, otherwise: ObjectResult, wanted=()) -> tuple[ObjectReport, ...]:
        with self.changed:
            self.asked.append(what)
            self.about.append(len(wanted))
            self.wanted.append(wanted)
            self.changed.notify_all()
        answer = self.answers.get(what.split(maxsplit=1)[0], otherwise)
        if not isinstance(answer, ObjectResult):
            raise OutsideError(answer)
        said = "said" * (answer in SPEAKING)
        return tuple(
            ObjectReport(o.file, o.kind, o.namespace, o.name, answer, said) for o in wanted
        )

    def prepare(self) -> None:
        self._answer("prepare", ObjectResult.UNCHANGED)

    def apply(self, wanted, *, force=False, dry_run=False):
        words = "apply" + " by force" * force + " dry" * dry_run
        return self._answer(words, ObjectResult.APPLIED, tuple(wanted))

    def release(self, wanted, commit=""):
        return self._answer(f"release {commit}".strip(), ObjectResult.RELEASED, tuple(wanted))

    def close(self) -> None:
        pass

    def wait(self, *asked: str) -> None:
        with self.changed:
            done = self.changed.wait_for(lambda: self.asked == list(asked), 10)
        assert done, self.asked


@contextmanager
def thread(
    cluster: Cluster, *, mode: str = "fallback", now: float = 100.0, read=None
) -> Iterator[Applying]:
    policy = ApplyPolicy(ApplyMode(mode), 60.0)
    made = Applying(policy, cluster, lambda: now, read or (lambda _: WANTED))
    made.start()
    try:
        yield made
    finally:
        made.stop()
        assert not made._thread.is_alive()


@pytest.fixture
def said(caplog) -> Iterator[pytest.LogCaptureFixture]:
    logger = logging.getLogger("gitops_prefix")
    logger.addHandler(caplog.handler)
    # Else the root's handler, which is the same, would have each line again.
    propagate, logger.propagate = logger.propagate, False
    with caplog.at_level(logging.INFO, "gitops_prefix"):
        yield caplog
    logger.propagate = propagate
    logger.removeHandler(caplog.handler)


@pytest.fixture
def soon(monkeypatch) -> None:
    """What is tried again after 30 s is tried again at once."""
    monkeypatch.setattr(applying, "_AGAIN_SECONDS", 0.01)


def test_an_outage_from_its_begin_to_its_end():
    cluster = Cluster()
    with thread(cluster) as daemon:
        daemon.take(*UP, 0.0)
        cluster.wait("release ours")
        daemon.take(*AWAY, 50.0)
        cluster.wait("release ours", "prepare")
        daemon.take(*AWAY, 60.0)
        cluster.wait("release ours", "prepare", "prepare")
        daemon._clock = lambda: 110.0
        daemon.take(*AWAY, 110.0)
        cluster.wait("release ours", "prepare", "prepare", "apply by force")
        daemon.take(*BACK, 111.0)
        cluster.wait("release ours", "prepare", "prepare", "apply by force", "release ours")


def test_what_left_the_repository_in_the_outage_is_given_back_too():
    cluster = Cluster()
    held = {"ours": WANTED, "theirs": ()}
    with thread(cluster, read=held.__getitem__) as daemon:
        daemon.take(*AWAY, 0.0)
        cluster.wait("apply by force")
        daemon.take(BranchState.RIGHT, "theirs", 1.0)
        cluster.wait("apply by force", "release theirs")
        until(lambda: not daemon._state.owing, "the end of it")
    assert cluster.about == [1, 1]


@pytest.mark.parametrize("mode", ["never", "fallback"])
def test_nothing_is_asked_when_there_is_nothing_to_do(mode):
    cluster = Cluster()
    with thread(cluster, mode=mode) as daemon:
        daemon.take(BranchState.UNKNOWN, "", 0.0)
        daemon.take(BranchState.UNKNOWN, "", 1.0)
    assert not cluster.asked


def test_a_cluster_that_does_not_answer_is_told_once_and_asked_again(said, soon):
    cluster = Cluster()
    cluster.answers["apply"] = "no route to the API server"
    with thread(cluster) as daemon:
        daemon.take(*AWAY, 0.0)
        until(lambda: len(cluster.asked) > 3, "the fourth try")
        del cluster.answers["apply"]
        until(lambda: daemon._reverts.applied, "an apply that succeeds")
    assert said.messages.count("direct apply: no route to the API server") == 1


def test_an_end_in_the_middle_of_an_apply_is_no_error(said):
    """Its child is ended by us."""
    cluster, ended = Cluster(), threading.Event()
    cluster.close = ended.set

    def apply(wanted, **_):
        with cluster.changed:
            cluster.asked.append("apply")
            cluster.changed.notify_all()
        assert ended.wait(10)
        raise OutsideError("it ended before it answered: exit code -9")

    cluster.apply = apply
    with thread(cluster) as daemon:
        daemon.take(*AWAY, 0.0)
        cluster.wait("apply")
    assert not [one for one in said.records if one.levelno >= logging.WARNING]


@pytest.mark.parametrize("standing", [ObjectResult.FAILED, ObjectResult.WAITING])
def test_what_could_not_be_given_back_is_asked_for_again_and_told_once(said, soon, standing):
    cluster = Cluster()
    cluster.answers["release"] = standing
    with thread(cluster) as daemon:
        daemon.take(*BACK, 0.0)
        until(lambda: len(cluster.asked) > 3, "the fourth try")
        assert daemon._state.owing
        cluster.answers["release"] = ObjectResult.RELEASED
        until(lambda: not daemon._state.owing, "the last one")
    assert said.messages.count("direct apply: CiliumLoadBalancerIPPool lan: said") == 1


def test_flux_is_not_waited_for_for_ever(soon):
    cluster = Cluster()
    cluster.answers["release"] = ObjectResult.WAITING
    with thread(cluster) as daemon:
        daemon.take(*BACK, 0.0)
        until(lambda: len(cluster.asked) > 1, "the second try")
        daemon._clock = lambda: 100.0 + 900.0
        until(lambda: "release" in cluster.asked, "a release that names no commit")


def test_after_another_outage_flux_is_waited_for_as_long_again():
    cluster = Cluster()
    cluster.answers["release"] = ObjectResult.WAITING
    with thread(cluster) as daemon:
        daemon.take(*BACK, 0.0)
        cluster.wait("release ours")
        daemon._clock = lambda: 1000.0
        daemon.take(*AWAY, 900.0)
        cluster.wait("release ours", "apply by force")
        daemon._clock = lambda: 1001.0
        daemon.take(*BACK, 1001.0)
        cluster.wait("release ours", "apply by force", "release ours")


def test_what_a_commit_holds_is_never_taken_for_what_the_next_one_does():
    """The next one is still being read when what was begun for the first comes to its end."""
    cluster, reading, ready = Cluster(), threading.Event(), threading.Event()
    more = configurations({"pool.yaml": POOL}, "", A, B, "2001:db8:c::/64")

    def read(commit: str):
        if commit == "next":
            reading.set()
            assert ready.wait(10)
        return more if commit == "next" else WANTED

    with thread(cluster, mode="always", read=read) as daemon:
        daemon.take(*BACK, 0.0)
        cluster.wait("apply", "release ours")
        taking = threading.Thread(target=daemon.take, args=(*NEXT, 1.0))
        taking.start()
        assert reading.wait(10)
        with daemon._condition:
            daemon._news = True
            daemon._condition.notify()
        until(lambda: not daemon._news, "that the thread has looked")
        ready.set()
        taking.join()
        cluster.wait("apply", "release ours", "apply", "release next")
    assert cluster.wanted[2:] == [more, more]


def test_a_commit_that_cannot_be_read_is_told_and_read_with_the_next_pass(said):
    cluster, readable = Cluster(), []

    def read(_commit: str):
        if not readable:
            raise OutsideError("the clone is damaged")
        return WANTED

    with thread(cluster, read=read) as daemon:
        daemon.take(*AWAY, 0.0)
        readable.append(True)
        daemon.take(*AWAY, 0.0)
        cluster.wait("apply by force")
    assert any("the clone is damaged" in line for line in said.messages)


@pytest.mark.parametrize(
    ("standing", "level"),
    [
        (ObjectResult.APPLIED, "INFO"),
        (ObjectResult.FAILED, "ERROR"),
        (ObjectResult.NOT_INSTALLED, "WARNING"),
    ],
)
def test_how_loud_it_is(said, standing, level):
    cluster = Cluster()
    cluster.answers["apply"] = standing
    with thread(cluster) as daemon:
        daemon.take(*AWAY, 0.0)
        until(lambda: said.records, "a line")
    assert [one.levelname for one in said.records if "direct apply" in one.message] == [level]


def test_a_thread_that_waits_ends_at_once():
    with thread(Cluster()) as daemon:
        assert daemon._thread.is_alive() and daemon.alive()
    assert not daemon.alive()


def test_a_thread_that_is_not_needed_is_not_missed():
    assert Applying(ApplyPolicy(), Cluster(), lambda: 0.0, lambda _: ()).alive()
