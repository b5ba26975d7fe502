"""The thread that applies: what it asks for, what it says, and how it goes on after failures."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from gitops_prefix.apply.applying import Applying
from gitops_prefix.apply.fields import ObjectResult, report_on
from gitops_prefix.apply.policy import ApplyMode, ApplyPolicy, BranchState
from gitops_prefix.apply.protocol import AT_ONCE, ApplyObjects, ReleaseObjects, Reports
from gitops_prefix.errors import OutsideError
from tests.apply.manifests import POOL, A, B, configurations
from tests.netns import until

AWAY = BranchState.AWAY, "ours"
BACK = BranchState.PUBLISHED, "ours"
UP = BranchState.RIGHT, "ours"
NEXT = BranchState.PUBLISHED, "next"
WANTED = configurations({"pool.yaml": POOL}, "", A, B)


SPEAKING = {ObjectResult.FAILED, ObjectResult.NOT_INSTALLED, ObjectResult.WAITING}


class Cluster:
    """Answers what the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.about: list[int] = []
        self.wanted: list[tuple] = []
        self.answers: dict[str, ObjectResult | str] = {}
        self.changed = threading.Condition()

    def _note(self, what: str, wanted: tuple = ()) -> None:
        with self.changed:
            self.asked.append(what)
            self.about.append(len(wanted))
            self.wanted.append(wanted)
            self.changed.notify_all()

    def prepare(self) -> None:
        self._note("prepare")

    def ask(self, question) -> Reports:
        wanted = question.configurations
        match question:
            case ApplyObjects(wish=wish):
                words = "apply" + " by force" * wish.force + " dry" * wish.dry_run
                otherwise, held = ObjectResult.APPLIED, wish.force
            case ReleaseObjects(commit=commit, left=left):
                words = f"release {commit}".strip() + " left" * left
                otherwise, held = ObjectResult.RELEASED, False
        self._note(words, wanted)
        answer = self.answers.get(words.split(maxsplit=1)[0], otherwise)
        if not isinstance(answer, ObjectResult):
            raise OutsideError(answer)
        held = held if answer is otherwise else answer is ObjectResult.WAITING or None
        said = "said" * (answer in SPEAKING)
        return Reports(tuple(replace(report_on(one, answer, said), held=held) for one in wanted))

    def close(self) -> None:
        pass

    def wait(self, *asked: str) -> None:
        with self.changed:
            done = self.changed.wait_for(lambda: self.asked == list(asked), 120)
        assert done, self.asked


class Hand:
    """A clock that the test moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@contextmanager
def thread(
    cluster: Cluster, *, mode="fallback", clock=None, read=None, unpublished="", **options
) -> Iterator[Applying]:
    policy = ApplyPolicy(ApplyMode(mode), 60.0)
    clock = clock or Hand(100.0)
    made = Applying(policy, cluster, clock, read or (lambda _: WANTED), **options)
    made.start(unpublished)
    try:
        yield made
    finally:
        made.stop()
        # It is waited for, but not for ever.
        until(lambda: mode == "never" or not made.alive(), "the end of the thread")


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


class Broken(Cluster):
    """Fails once in a way that nobody foresaw."""

    breaks = True

    def ask(self, question) -> Reports:
        if self.breaks:
            self.breaks = False
            raise RuntimeError("odd")
        return super().ask(question)


def test_what_nobody_foresaw_is_reported_and_tried_again(said):
    cluster = Broken()
    with thread(cluster, again=0.01) as daemon:
        daemon.take(*UP, 0.0)
        cluster.wait("release ours")
        until(lambda: not daemon.owing, "the end of it")
    assert "direct apply: unexpectedly: RuntimeError: odd" in said.messages


def test_an_outage_from_its_begin_to_its_end():
    cluster, clock = Cluster(), Hand(100.0)
    with thread(cluster, clock=clock) as daemon:
        daemon.take(*UP, 0.0)
        cluster.wait("release ours")
        daemon.take(*AWAY, 50.0)
        cluster.wait("release ours", "prepare")
        daemon.take(*AWAY, 60.0)
        cluster.wait("release ours", "prepare", "prepare")
        clock.now = 110.0
        daemon.take(*AWAY, 110.0)
        cluster.wait("release ours", "prepare", "prepare", "apply by force")
        until(lambda: daemon.held == 1, "the hold is counted")
        assert daemon.lines() == ("direct apply: 1 held: CiliumLoadBalancerIPPool lan",)
        daemon.take(*BACK, 111.0)
        cluster.wait("release ours", "prepare", "prepare", "apply by force", "release ours")
        until(lambda: not daemon.owing, "the end of it")
        assert daemon.held == 0 and daemon.lines() == ()


def test_what_left_the_repository_in_the_outage_is_released_too():
    cluster = Cluster()
    held = {"ours": WANTED, "theirs": ()}
    with thread(cluster, read=held.__getitem__) as daemon:
        daemon.take(*AWAY, 0.0)
        cluster.wait("apply by force")
        daemon.take(BranchState.RIGHT, "theirs", 1.0)
        cluster.wait("apply by force", "release theirs left")
        until(lambda: not daemon.owing, "the end of it")
    assert cluster.about == [1, 1]


def test_what_left_while_no_daemon_ran_is_known_by_the_commit_that_waited():
    cluster = Cluster()
    commits = {"killed": WANTED, "next": ()}
    with thread(cluster, read=commits.__getitem__, unpublished="killed") as daemon:
        daemon.take(*NEXT, 0.0)
        cluster.wait("release next left")
    assert cluster.wanted == [WANTED]


def test_what_left_the_repository_in_an_outage_is_released_by_the_daemon_after_it(tmp_path):
    """Also after a restart: the names of what was touched are kept beside the clone."""
    cluster, kept = Cluster(), tmp_path / "held.json"
    with thread(cluster, kept=kept) as ours:
        ours.take(*AWAY, 0.0)
        cluster.wait("apply by force")
    assert "2001:db8" not in kept.read_text()
    after = Cluster()
    with thread(after, read=lambda _: (), kept=kept) as next_one:
        next_one.take(*UP, 0.0)
        after.wait("release ours left")
        assert [each.object for each in after.wanted[0]] == [WANTED[0].object]
        until(lambda: kept.read_text() == "[]", "that nothing is held")


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"file": 1}]', "null"])
def test_a_list_of_what_was_held_that_cannot_be_read_is_none(tmp_path, text):
    cluster, kept = Cluster(), tmp_path / "held.json"
    kept.write_text(text)
    with thread(cluster, kept=kept) as ours:
        ours.take(*UP, 0.0)
        cluster.wait("release ours")


def test_what_left_the_repository_while_another_daemon_led_is_looked_at_by_the_next_leader():
    cluster, leads = Cluster(), [0.0]
    commits = {"ours": WANTED, "next": ()}
    with thread(cluster, read=commits.get, leads_until=lambda: leads[0]) as follower:
        follower.take(*UP, 0.0)
        follower.take(BranchState.RIGHT, "next", 1.0)
        leads[0] = float("inf")
        follower.lead()
        follower.take(BranchState.RIGHT, "next", 2.0)
        cluster.wait("release next left")


def test_a_new_version_of_an_object_is_the_same_object():
    cluster = Cluster()
    newer = tuple(replace(one, api_version="cilium.io/v2alpha1") for one in WANTED)
    with thread(cluster, read={"ours": WANTED, "next": newer}.__getitem__) as daemon:
        daemon.take(*AWAY, 0.0)
        cluster.wait("apply by force")
        daemon.take(*NEXT, 1.0)
        cluster.wait("apply by force", "release next")


@pytest.mark.parametrize("mode", ["never", "fallback"])
def test_nothing_is_asked_when_there_is_nothing_to_do(mode):
    cluster = Cluster()
    with thread(cluster, mode=mode) as daemon:
        daemon.take(BranchState.UNKNOWN, "", 0.0)
        daemon.take(BranchState.UNKNOWN, "", 1.0)
    assert not cluster.asked


def test_a_remote_that_refuses_is_not_away():
    """It has spoken; a person who may push is obeyed by the reconcilers."""
    cluster = Cluster()
    with thread(cluster) as daemon:
        daemon.take(BranchState.REFUSED, "ours", 0.0)
        daemon.take(BranchState.REFUSED, "ours", 90.0)
        daemon.take(*UP, 90.0)
        cluster.wait("release ours")


def test_who_gains_the_lead_looks_for_what_others_left_held():
    cluster = Cluster()
    with thread(cluster) as daemon:
        daemon.take(*UP, 0.0)
        cluster.wait("release ours")
        until(lambda: not daemon.owing, "the end of it")
        daemon.take(BranchState.UNKNOWN, "", 1.0)
        daemon.lead()
        daemon.take(*UP, 2.0)
        cluster.wait("release ours", "release ours")


class Meanwhile(Cluster):
    """Something happens while the first question is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.happens: list[Callable[[], None]] = []

    def ask(self, question) -> Reports:
        if self.happens:
            self.happens.pop()()
        return super().ask(question)


def test_what_was_released_before_the_lead_changed_is_looked_at_again():
    """Another may have led in between, and have applied to what was done already."""
    wanted = tuple(replace(WANTED[0], name=str(number)) for number in range(AT_ONCE + 4))
    cluster = Meanwhile()
    with thread(cluster, read=lambda _: wanted) as daemon:
        cluster.happens.append(daemon.lead)
        daemon.take(*UP, 0.0)
        cluster.wait(*["release ours"] * 3)
        until(lambda: not daemon.owing, "the end of it")
    assert cluster.about == [AT_ONCE, AT_ONCE, 4]


def test_the_last_answer_of_before_the_lead_changed_is_not_the_end():
    cluster = Meanwhile()
    with thread(cluster, again=0.01) as daemon:
        cluster.happens.append(daemon.lead)
        daemon.take(*UP, 0.0)
        cluster.wait(*["release ours"] * 2)
        until(lambda: not daemon.owing, "the end of it")


def test_what_is_published_while_the_commit_before_is_released_is_released_too():
    cluster = Meanwhile()
    with thread(cluster) as daemon:
        cluster.happens.append(lambda: daemon.take(*NEXT, 1.0))
        daemon.take(*UP, 0.0)
        cluster.wait("release ours", "release next")
        until(lambda: not daemon.owing, "the end of it")


def test_who_does_not_lead_asks_for_no_write():
    cluster, clock, ends = Cluster(), Hand(100.0), [50.0]
    with thread(cluster, clock=clock, leads_until=lambda: ends[0]) as daemon:
        daemon.take(*AWAY, 0.0)
        daemon.take(BranchState.UNKNOWN, "", 1.0)
        ends[0] = 110.0
        daemon.take(*AWAY, 2.0)
        cluster.wait("apply by force")


def test_each_question_says_when_our_lead_ends():
    asked = []

    class Asked(Cluster):
        def ask(self, question):
            asked.append(question.until)
            return super().ask(question)

    cluster = Asked()
    with thread(cluster, leads_until=lambda: 110.0) as daemon:
        daemon.take(*AWAY, 0.0)
        cluster.wait("apply by force")
    assert asked == [110.0]


def test_a_cluster_that_does_not_answer_is_reported_once_and_asked_again(said):
    cluster = Cluster()
    cluster.answers["apply"] = "no route to the API server"
    with thread(cluster, again=0.01) as daemon:
        daemon.take(*AWAY, 0.0)
        until(lambda: len(cluster.asked) > 3, "the fourth try")
        del cluster.answers["apply"]
        until(lambda: daemon.held, "an apply that succeeds")
    assert said.messages.count("direct apply: no route to the API server") == 1


def test_an_end_in_the_middle_of_an_apply_is_no_error(said):
    """Its child is ended by us."""

    class Ended(Cluster):
        def __init__(self) -> None:
            super().__init__()
            self.ended = threading.Event()

        def ask(self, question):
            super().ask(question)
            assert self.ended.wait(120)
            raise OutsideError("it ended before it answered: exit code -9")

        def close(self) -> None:
            self.ended.set()

    cluster = Ended()
    with thread(cluster) as daemon:
        daemon.take(*AWAY, 0.0)
        cluster.wait("apply by force")
    assert not [record for record in said.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "result", [ObjectResult.FAILED, ObjectResult.FORBIDDEN, ObjectResult.WAITING]
)
def test_what_could_not_be_released_is_asked_for_again_and_reported_once(said, result):
    cluster, clock = Cluster(), Hand(100.0)
    cluster.answers["release"] = result
    with thread(cluster, clock=clock) as daemon:
        daemon.take(*BACK, 0.0)
        until(lambda: len(cluster.asked) > 3 or goes_by(30.0, clock, daemon), "the fourth try")
        assert daemon.owing
        cluster.answers["release"] = ObjectResult.RELEASED
        until(lambda: not daemon.owing or goes_by(30.0, clock, daemon), "the last one")
    words = said.messages.count("direct apply: CiliumLoadBalancerIPPool lan: said")
    assert words == (result in SPEAKING)


def goes_by(seconds: float, clock: Hand, daemon: Applying) -> None:
    """Time, for a thread that may not have looked at the clock since it was answered."""
    clock.now += seconds
    daemon.take(*UP, 0.0)


def test_a_reconciler_is_not_waited_for_for_ever():
    cluster, clock = Cluster(), Hand(100.0)
    cluster.answers["release"] = ObjectResult.WAITING
    with thread(cluster, clock=clock) as daemon:
        daemon.take(*BACK, 0.0)
        cluster.wait("release ours")
        until(lambda: len(cluster.asked) > 1 or goes_by(900.0, clock, daemon), "another try")
        assert cluster.asked[1] == "release"


def test_while_a_reconciler_is_waited_for_the_branch_is_looked_at():
    """The reconciler may have a later commit, which is not known yet."""
    cluster, clock, looks = Cluster(), Hand(100.0), []
    cluster.answers["release"] = ObjectResult.WAITING
    # The clock may be ahead by then; what was asked last names the moment.
    with thread(cluster, clock=clock, look=lambda: looks.append(cluster.asked[-1])) as daemon:
        moments = (100.0, 110.0, 130.0, 140.0, 160.0)
        for number, now in enumerate(moments, 1):
            clock.now = now
            daemon.take(BranchState.RIGHT, f"at {now}", now)
            cluster.wait(*(f"release at {moment}" for moment in moments[:number]))
        until(lambda: looks, "the look")
    assert looks == ["release at 130.0"]


def test_after_another_outage_the_reconciler_is_waited_for_as_long_again():
    cluster, clock = Cluster(), Hand(100.0)
    cluster.answers["release"] = ObjectResult.WAITING
    with thread(cluster, clock=clock) as daemon:
        daemon.take(*BACK, 0.0)
        cluster.wait("release ours")
        clock.now = 1000.0
        daemon.take(*AWAY, 900.0)
        cluster.wait("release ours", "apply by force")
        clock.now = 1001.0
        daemon.take(*BACK, 1001.0)
        cluster.wait("release ours", "apply by force", "release ours")


def test_a_commit_that_comes_while_an_object_is_held_is_applied_to_it():
    """A release applies what differs first."""
    cluster = Cluster()
    cluster.answers["release"] = ObjectResult.WAITING
    more = configurations({"pool.yaml": POOL}, "", A, B, "2001:db8:c::/64")
    with thread(cluster, read={"ours": WANTED, "next": more}.__getitem__) as daemon:
        daemon.take(*BACK, 0.0)
        cluster.wait("release ours")
        daemon.take(*NEXT, 1.0)
        cluster.wait("release ours", "release next")
    assert cluster.wanted == [WANTED, more]


def test_what_a_commit_holds_is_never_taken_for_what_the_next_one_does():
    """The next one is still being read when the lead is looked at again."""
    cluster, reading, ready = Cluster(), threading.Event(), threading.Event()
    more = configurations({"pool.yaml": POOL}, "", A, B, "2001:db8:c::/64")

    def read(commit: str):
        if commit == "next":
            reading.set()
            assert ready.wait(120)
        return more if commit == "next" else WANTED

    with thread(cluster, mode="always", read=read) as daemon:
        daemon.take(*BACK, 0.0)
        cluster.wait("apply", "release ours")
        taking = threading.Thread(target=daemon.take, args=(*NEXT, 1.0))
        taking.start()
        assert reading.wait(120)
        ready.set()
        taking.join()
        cluster.wait("apply", "release ours", "apply", "release next")
    assert cluster.wanted[2:] == [more, more]


def test_a_commit_that_cannot_be_read_is_reported_and_read_with_the_next_pass(said):
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
    ("result", "level"),
    [
        (ObjectResult.APPLIED, "INFO"),
        (ObjectResult.FAILED, "ERROR"),
        (ObjectResult.NOT_INSTALLED, "WARNING"),
    ],
)
def test_how_loud_it_is(said, result, level):
    cluster = Cluster()
    cluster.answers["apply"] = result
    with thread(cluster) as daemon:
        daemon.take(*AWAY, 0.0)
        until(lambda: said.records, "a line")
    lines = [record for record in said.records if "direct apply" in record.message]
    assert [record.levelname for record in lines] == [level]


@pytest.mark.parametrize("result", [ObjectResult.NOT_INSTALLED, ObjectResult.WAITING])
def test_what_many_objects_have_in_common_is_one_line(said, result):
    """A kind that is not there, or the reconciler that all of them wait for."""
    wanted = tuple(replace(WANTED[0], name=str(number)) for number in range(20))
    cluster, reports = Cluster(), []
    cluster.answers |= {"apply": result, "release": result}
    with thread(cluster, read=lambda _: wanted, count=reports.append) as daemon:
        daemon.take(*(BACK if result is ObjectResult.WAITING else AWAY), 0.0)
        until(lambda: len({report.name for report in reports}) == 20, "all reports")
    assert len([line for line in said.messages if line.startswith("direct apply: ")]) == 1


def test_what_is_waited_for_is_reported_once_for_each_commit(said):
    """A line names its commit, so that those of earlier commits need not be remembered."""
    cluster = Cluster()
    cluster.answers["release"] = ObjectResult.WAITING
    with thread(cluster) as daemon:
        daemon.take(*BACK, 0.0)
        cluster.wait("release ours")
        daemon.take(*NEXT, 1.0)
        cluster.wait("release ours", "release next")
        until(lambda: len(said.messages) == 2, "a line for each")
    assert set(said.messages) == {"direct apply: CiliumLoadBalancerIPPool lan: said"}


def test_a_thread_that_waits_ends_at_once():
    with thread(Cluster()) as daemon:
        assert daemon.alive()
    assert not daemon.alive()


def test_a_thread_that_is_not_needed_is_not_missed():
    assert Applying(ApplyPolicy(), Cluster(), lambda: 0.0, lambda _: ()).alive()


FIVE_HUNDRED = tuple(replace(WANTED[0], name=f"pool-{number}") for number in range(500))


def test_many_objects_are_asked_about_a_few_at_a_time_and_what_fails_does_not_stop_them():
    """What was done is kept between the rounds; the object that fails is tried again, alone."""

    class Odd(Cluster):
        def ask(self, question):
            reports = super().ask(question).reports
            odd = [report.name == "pool-3" for report in reports]
            return Reports(
                tuple(
                    replace(report, result=ObjectResult.FAILED, held=None) if fails else report
                    for report, fails in zip(reports, odd, strict=True)
                )
            )

    cluster, clock = Odd(), Hand(100.0)
    with thread(cluster, clock=clock, read=lambda _: FIVE_HUNDRED) as daemon:
        daemon.take(*AWAY, 0.0)
        until(lambda: daemon.held == 499, "all but one")
        assert max(cluster.about) <= 8 and sum(cluster.about) == 500
        clock.now += 1.0
        daemon.take(*AWAY, 0.0)
        until(lambda: sum(cluster.about) == 501, "the one that failed")
