"""We lead until the moment that the last renewal named, and not a moment longer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from gitops_prefix.apply.election import LeaseRecord
from gitops_prefix.apply.lease import Alone, Candidacy, Leadership
from gitops_prefix.apply.protocol import ReleaseLease, TryLease
from gitops_prefix.errors import OutsideError
from tests.netns import until

CANDIDACY = Candidacy(lease=15.0, renew=10.0, retry=0.01)


class Hand:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Holder:
    """A Lease that the test gives to us, to another, or that does not answer."""

    def __init__(self, clock: Hand) -> None:
        self.clock = clock
        self.answer: Callable[[TryLease], object] = self.ours
        self.asked: list[object] = []
        self.closed = threading.Event()
        self.hanging = threading.Event()

    def ask(self, question):
        self.asked.append(question)
        return self.answer(question)

    def close(self) -> None:
        self.closed.set()

    def ours(self, question):
        record = LeaseRecord(question.election.identity, 15.0)
        if isinstance(question, ReleaseLease):
            record = LeaseRecord("", 1.0)
        return question.election.wrote(record, "1", self.clock())

    def others(self, question):
        return question.election.see(LeaseRecord("other", 15.0), "2", self.clock())

    def away(self, question):
        raise OutsideError("forbidden")

    def breaks(self, question):
        raise RuntimeError("odd")

    def hangs(self, question):
        self.hanging.set()
        self.closed.wait()
        raise OutsideError("it ended")


@contextmanager
def leadership(
    answer: str = "ours", *, holder=Holder, **options
) -> Iterator[tuple[Leadership, Hand, Holder, list[str]]]:
    clock, led = Hand(), []
    holder = holder(clock)
    holder.answer = getattr(holder, answer)
    candidate = Leadership(
        CANDIDACY, holder, clock, lambda: led.append("lead"), chance=lambda: 0.0, **options
    )
    candidate.start()
    try:
        yield candidate, clock, holder, led
    finally:
        candidate.stop()
        assert not candidate.leads()


def test_nobody_leads_while_another_holds_the_lease():
    with leadership("others") as (candidate, _, holder, led):
        until(lambda: len(holder.asked) > 2, "the third try")
        assert not candidate.leads() and led == []


def test_a_renewal_that_hangs_ends_our_lead_in_time():
    with leadership() as (candidate, clock, holder, led):
        until(candidate.leads, "the lead")
        holder.answer = holder.hangs
        # The renewal before it has been learnt, too.
        assert holder.hanging.wait(120), "the next try"
        ends = candidate.until
        clock.now = ends - 0.1
        assert candidate.leads()
        clock.now = ends
        assert not candidate.leads()
        assert led == ["lead"]


@pytest.mark.parametrize("how", ["others", "away"])
def test_the_end_of_a_lead_is_reported_once_also_where_no_renewal_succeeds(how):
    lost = []
    with leadership(on_lost=lambda: lost.append("lost")) as (candidate, clock, holder, led):
        until(candidate.leads, "the lead")
        ends = candidate.until
        holder.answer = getattr(holder, how)
        # A renewal that was under way would be by the clock as it is then.
        begun = len(holder.asked)
        until(lambda: len(holder.asked) > begun + 1, "the next try")
        clock.now = ends
        until(lambda: lost, "the loss")
        count = len(holder.asked)
        until(lambda: len(holder.asked) > count + 2, "two more tries")
    assert (led, lost) == (["lead"], ["lost"])


def test_a_renewal_is_no_new_lead_and_a_loss_is_at_once():
    with leadership() as (candidate, _, holder, led):
        until(lambda: len(holder.asked) > 3, "renewals")
        assert candidate.leads() and led == ["lead"]
        holder.answer = holder.others
        until(lambda: not candidate.leads(), "the loss")
        assert led == ["lead"]


def test_each_new_lead_is_reported_again():
    with leadership() as (candidate, _, holder, led):
        until(lambda: led, "the lead")
        holder.answer = holder.others
        until(lambda: not candidate.leads(), "the loss")
        holder.answer = holder.ours
        until(lambda: len(led) == 2, "the lead, again")


def test_what_nobody_foresaw_is_one_line_and_the_lead_is_asked_for_again(caplog):
    with leadership("breaks") as (candidate, _, holder, _):
        until(lambda: len(holder.asked) > 3, "the fourth try")
        holder.answer = holder.ours
        until(candidate.leads, "the lead")
    said = [record.getMessage() for record in caplog.records]
    assert said.count("Lease: unexpectedly: RuntimeError: odd") == 1


def test_a_server_that_refuses_is_reported_once_and_asked_again(caplog):
    with leadership("away") as (candidate, _, holder, _):
        until(lambda: len(holder.asked) > 3, "the fourth try")
        holder.answer = holder.ours
        until(candidate.leads, "the lead")
    assert [record.getMessage() for record in caplog.records].count("Lease: forbidden") == 1


def test_who_stops_gives_the_lease_up():
    with leadership() as (candidate, _, holder, _):
        until(candidate.leads, "the lead")
    # A thread that is late is waited for, but not for ever.
    until(lambda: isinstance(holder.asked[-1], ReleaseLease), "a Lease that is given up")
    assert holder.closed.is_set()


def test_a_leader_that_cannot_work_says_so():
    fit = [True]
    with leadership(fit=lambda: fit[0]) as (candidate, _, holder, _):
        until(candidate.leads, "the lead")
        assert holder.asked[-1].election.fit
        fit[0] = False
        until(lambda: not holder.asked[-1].election.fit, "that it says so")


@pytest.mark.parametrize("reason", ["it cannot work", "its loop hangs"])
def test_writing_is_ended_before_the_lease_is_given_up(reason):
    """Another may lead right after it; what is under way would be written beside its writes."""
    works, order = [True], []
    word = "fit" if reason == "it cannot work" else "turns"

    class Noting(Holder):
        def ours(self, question):
            if isinstance(question, ReleaseLease):
                order.append("released")
            elif not question.election.fit:
                return question.election
            return super().ours(question)

    def end_writing() -> None:
        order.append("leads" if candidate.leads() else "ended")

    with leadership(holder=Noting, end_writing=end_writing, **{word: lambda: works[0]}) as (
        candidate,
        *_,
    ):
        until(candidate.leads, "the lead")
        assert not order
        works[0] = False
        until(lambda: len(order) > 1, "the release")
        assert order[:2] == ["ended", "released"]
        assert not candidate.leads()


def test_a_leader_whose_loop_hangs_gives_the_lease_up_and_does_not_stand_again(caplog):
    turns = [True]
    with leadership(turns=lambda: turns[0]) as (candidate, _, holder, led):
        until(candidate.leads, "the lead")
        turns[0] = False
        until(lambda: not candidate.leads(), "the loss")
        given_up = [asked for asked in holder.asked if isinstance(asked, ReleaseLease)]
        assert len(given_up) == 1 and holder.asked[-1] is given_up[0]
        turns[0] = True
        until(lambda: len(led) == 2, "the lead, again")
    assert "the loop hangs" in caplog.text


@pytest.mark.parametrize("method", ["start", "stop"])
def test_without_a_lease_each_leads(method):
    alone = Alone()
    getattr(alone, method)()
    assert alone.leads() and alone.until == float("inf")


def test_a_candidate_asks_for_the_lease_that_it_is_given():
    with leadership() as (candidate, _, holder, _):
        until(candidate.leads, "the lead")
    question = holder.asked[0]
    assert (question.lease.name, question.lease.namespace) == ("gitops-prefix", "")
    assert replace(question.election, identity="").record is None
