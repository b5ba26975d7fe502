"""What follows a pass: told once, tried again later and later, and never in the way."""

import threading
from dataclasses import dataclass, field
from math import inf

import pytest
from prometheus_client import CollectorRegistry, Counter

from gitops_prefix.daemon.follow_ups import Notices, OffTheLoop, PullRequests
from gitops_prefix.daemon.outcome import Decided, Outcome, Pushed, Stopped, UpToDate
from gitops_prefix.publish.failure import Failed, Reason
from gitops_prefix.publish.forge import PullRequest, State
from gitops_prefix.publish.forge.sync import BranchProposal, RequestStep, Synced
from gitops_prefix.publish.http import Refused, Unreachable
from gitops_prefix.publish.notify import Notice
from gitops_prefix.publish.stages import Stage, Stages

AWAY = Unreachable("forge.example: no answer within 10 s")
NO = Refused("forge.example: 403 no", 403)
ONE = BranchProposal("gitops-prefix/one", "1" * 40, "prefix(one): A", "", "d1")
TWO = BranchProposal("gitops-prefix/two", "2" * 40, "prefix(two): A", "", "d2")
DECIDED = Decided("1" * 40, {})
PUSHED = Pushed(DECIDED, "2" * 40, before="1" * 40)
QUIET = UpToDate(DECIDED)
GONE = Failed(Reason.DNS, "could not resolve", Stage.LOOK)


def shown(*proposals: BranchProposal) -> Outcome:
    return UpToDate(Decided("1" * 40, {}, proposals=proposals))


def counter() -> Counter:
    return Counter("failures", "x", ["stage", "reason"], registry=CollectorRegistry())


@dataclass
class Forge:
    """Answers from a list, and then that all is well; remembers what it was asked."""

    answers: list = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __call__(self, proposal: BranchProposal):
        self.asked.append(proposal.branch)
        if self.answers:
            return self.answers.pop(0)
        return Synced(RequestStep.OPEN, PullRequest(1, State.OPEN, url="https://forge.example/1"))


def requests(*answers) -> tuple[PullRequests, Forge]:
    forge = Forge(list(answers))
    return PullRequests(forge, stages=Stages(), failures=counter(), interval=300.0), forge


def test_a_request_is_asked_for_once_for_each_commit():
    follow, forge = requests()
    for _ in range(3):
        follow.run(shown(ONE), 0.0)
    assert forge.asked == [ONE.branch]
    assert follow.due_at == inf
    follow.run(shown(BranchProposal(ONE.branch, "3" * 40, ONE.title, "", "d1")), 0.0)
    assert len(forge.asked) == 2


def test_a_forge_that_is_away_is_tried_later_and_later_and_not_before():
    follow, forge = requests(*[AWAY] * 30)
    now, waits = 0.0, []
    for _ in range(30):
        follow.run(shown(ONE), now)
        assert follow.failing()
        waits.append(follow.due_at - now)
        follow.run(shown(ONE), follow.due_at - 0.01)
        now = follow.due_at
    assert len(forge.asked) == 30
    assert 0.5 <= waits[0] <= 1.0
    assert all(15 <= wait <= 30 for wait in waits[-5:])
    follow.run(shown(ONE), now)
    assert not follow.failing()
    assert follow.due_at == inf


@pytest.mark.parametrize(
    ("failure", "least", "most"),
    [(NO, 300, 300), (Unreachable("slow down", 60.0), 60, 60), (AWAY, 0, 1)],
)
def test_a_forge_that_refuses_or_names_a_time_is_left_alone_for_it(failure, least, most):
    follow, _ = requests(failure)
    follow.run(shown(ONE), 0.0)
    assert least <= follow.due_at <= most


def test_a_forge_that_is_away_is_asked_once_in_a_pass_for_all():
    """A pass must not wait ten seconds for each DynamicPrefix."""
    follow, forge = requests(AWAY)
    follow.run(shown(ONE, TWO), 0.0)
    assert forge.asked == [ONE.branch]
    follow.run(shown(ONE, TWO), 0.1)
    assert forge.asked == [ONE.branch]
    follow.run(shown(ONE, TWO), follow.due_at)
    assert forge.asked == [ONE.branch, TWO.branch, ONE.branch]


@pytest.mark.parametrize("failure", [NO, AWAY])
def test_one_request_that_always_fails_keeps_no_other_from_its_turn(failure):
    """A forge may say no, or not yet, to one of them alone."""
    asked = []

    def sync(proposal: BranchProposal):
        asked.append(proposal.branch)
        return failure if proposal == ONE else Synced(RequestStep.OPEN)

    follow = PullRequests(sync, stages=Stages(), failures=counter(), interval=300.0)
    now = 0.0
    for _ in range(3):
        follow.run(shown(ONE, TWO), now)
        now = follow.due_at
    assert asked.count(TWO.branch) == 1
    assert asked.count(ONE.branch) >= 2
    assert follow.failing()


def test_a_new_commit_is_shown_at_once_though_the_last_one_failed():
    follow, forge = requests(NO)
    follow.run(shown(ONE), 0.0)
    follow.run(shown(BranchProposal(ONE.branch, "3" * 40, ONE.title, "", "d3")), 1.0)
    assert len(forge.asked) == 2
    assert not follow.failing()


def test_a_branch_that_is_no_proposal_any_more_is_not_tried_for_ever():
    """A failure for what is gone must neither wake the loop again and again, nor fail `--once`."""
    follow, forge = requests(AWAY)
    follow.run(shown(ONE), 0.0)
    follow.run(shown(), follow.due_at)
    assert follow.due_at == inf
    assert not follow.failing()
    assert len(forge.asked) == 1


def test_a_pass_that_read_nothing_forgets_nothing():
    """While the remote is away nothing is known of the proposals."""
    follow, forge = requests(AWAY)
    follow.run(shown(ONE), 0.0)
    due = follow.due_at
    follow.run(Stopped(GONE), due - 0.1)
    assert follow.due_at == due
    follow.run(Stopped(GONE), due)
    assert forge.asked == [ONE.branch, ONE.branch], "what was pushed is there all the same"
    assert follow.due_at == inf


def test_each_failure_is_counted_by_stage_and_reason():
    failures = counter()
    forge = Forge([AWAY, NO])
    follow = PullRequests(forge, stages=Stages(), failures=failures, interval=300.0)
    follow.run(shown(ONE), 0.0)
    follow.run(shown(ONE), follow.due_at)
    samples = [one for metric in failures.collect() for one in metric.samples]
    counted = {tuple(one.labels.values()) for one in samples if one.name.endswith("_total")}
    assert counted == {("request", "timeout"), ("request", "refused")}


def test_the_page_has_a_line_for_each_branch():
    follow, _ = requests(Synced(RequestStep.RESPECT), NO)
    follow.run(shown(ONE, TWO), 0.0)
    one, two = follow.lines()
    assert "closed by a person" in one
    assert "403 no" in two


@dataclass
class Hook:
    """Answers from a list, and then that all is well."""

    answers: list = field(default_factory=list)
    told: list[Notice] = field(default_factory=list)
    name: str = "flux at hook.example"

    def notify(self, notice: Notice):
        self.told.append(notice)
        return self.answers.pop(0) if self.answers else None


def notices(*hooks: Hook) -> Notices:
    def notice(outcome: Pushed) -> Notice:
        return Notice("https://git.example/a/b", "main", outcome.before, outcome.commit)

    return Notices(hooks, notice, stages=Stages(), failures=counter())


def test_each_is_told_of_each_push_and_of_nothing_else():
    hooks = Hook(), Hook()
    follow = notices(*hooks)
    for outcome in (QUIET, PUSHED, QUIET, Stopped(GONE)):
        follow.run(outcome, 0.0)
    assert [len(hook.told) for hook in hooks] == [1, 1]
    assert follow.due_at == inf


def test_one_that_is_away_is_told_later_and_the_others_only_once():
    hooks = Hook([AWAY, AWAY]), Hook()
    follow = notices(*hooks)
    follow.run(PUSHED, 0.0)
    while follow.due_at != inf:
        follow.run(QUIET, follow.due_at)
    assert [len(hook.told) for hook in hooks] == [3, 1]
    assert not follow.failing()


def test_tries_come_to_an_end():
    hook = Hook([AWAY] * 100)
    follow = notices(hook)
    follow.run(PUSHED, 0.0)
    while follow.due_at != inf:
        follow.run(QUIET, follow.due_at)
    assert len(hook.told) == 5
    follow.run(PUSHED, 1000.0)
    assert len(hook.told) == 6, "and the next push is another one"


def test_one_that_refuses_is_not_tried_again_before_the_next_push():
    hook = Hook([NO])
    follow = notices(hook)
    follow.run(PUSHED, 0.0)
    assert follow.due_at == inf
    follow.run(PUSHED, 1.0)
    assert len(hook.told) == 2


def test_what_could_not_be_told_is_not_told_when_there_is_something_newer():
    hook = Hook([AWAY])
    follow = notices(hook)
    follow.run(PUSHED, 0.0)
    follow.run(Pushed(DECIDED, "3" * 40, before="2" * 40), 0.1)
    assert [notice.after for notice in hook.told] == ["2" * 40, "3" * 40]
    assert follow.due_at == inf


@dataclass
class Slow(Hook):
    """Answers when the test says so."""

    ready: threading.Event = field(default_factory=threading.Event)

    def notify(self, notice: Notice):
        assert self.ready.wait(120)
        return super().notify(notice)


def test_a_receiver_that_hangs_delays_no_publication():
    hook, woken = Slow([AWAY]), threading.Event()
    follow = OffTheLoop(notices(hook), lambda: 5.0, woken.set)
    follow.start()
    follow.run(PUSHED, 0.0)
    assert follow.due_at == inf and not follow.settle(0.0)
    hook.ready.set()
    assert follow.settle(60) and woken.wait(120)
    assert 5.0 < follow.due_at < inf
    follow.run(QUIET, follow.due_at)
    follow.stop(60)
    assert follow.settle(0.0)


def test_a_fault_of_ours_is_one_line_and_the_next_pass_is_followed(caplog):
    class Faulty(Hook):
        def notify(self, notice):
            if not self.told:
                self.told.append("fault")
                raise ValueError("year 31690708 is out of range\nand more")
            return super().notify(notice)

    hook = Faulty()
    follow = OffTheLoop(notices(hook), lambda: 5.0, lambda: None)
    follow.start()
    follow.run(PUSHED, 0.0)
    assert follow.settle(60)
    follow.run(PUSHED, 6.0)
    assert follow.settle(60) and len(hook.told) == 2
    follow.stop(60)
    [record] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert "ValueError: year 31690708" in record.getMessage()
    assert "\n" not in record.getMessage() and record.exc_info is None


def test_what_waits_at_the_end_does_not_keep_the_daemon():
    hook = Slow()
    follow = OffTheLoop(notices(hook), lambda: 0.0, lambda: None)
    follow.start()
    follow.run(PUSHED, 0.0)
    follow.stop(0.0)
    assert not hook.told
    hook.ready.set()


def test_who_publishes_once_waits_for_what_follows():
    hook = Hook()
    OffTheLoop(notices(hook), lambda: 0.0, lambda: None).run(PUSHED, 0.0)
    assert len(hook.told) == 1
