"""Since when something waits, by a clock that nobody sets."""

from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gitops_prefix.daemon.clocks import Clocks, Moment
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.outcome import (
    Committed,
    Decided,
    Invalid,
    NotLeading,
    Pushed,
    Unconfirmed,
    UpToDate,
)
from gitops_prefix.daemon.report import Progress, Starts, show_progress
from gitops_prefix.publish.failure import Failed, Reason
from gitops_prefix.publish.stages import Stage

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DECIDED = Decided("1" * 40, {})
AWAY = Failed(Reason.DNS, "could not resolve", Stage.LOOK)
RIGHT = {
    "pushed": Pushed(DECIDED, "2" * 40, "1" * 40),
    "up to date": UpToDate(DECIDED),
    "another daemon leads": NotLeading(),
}
WRONG = {
    "our commit waits": Committed(DECIDED, "2" * 40, AWAY),
    "nothing is known": Unconfirmed(DECIDED, AWAY),
    "the repository has errors": Invalid(AWAY, ()),
}


class Hands:
    """Two clocks, moved by the test."""

    def __init__(self) -> None:
        self.seconds, self.date = 1000.0, NOON
        self.clocks = Clocks(lambda: self.seconds, lambda: self.date)

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds
        self.date += timedelta(seconds=seconds)


def scrape(metrics: Metrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        sample.name.removeprefix("gitops_prefix_"): sample.value
        for family in families
        for sample in family.samples
        if not sample.labels
    }


def at(seconds: float) -> Moment:
    return Moment(seconds, NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize("outcome", WRONG.values(), ids=WRONG)
def test_the_first_failure_counts_and_not_the_last(outcome):
    """An hour of retries is an hour of waiting."""
    progress = Progress()
    for minute in range(60):
        now = at(60 * minute)
        progress = progress.after(outcome, now, waiting=now, next_try_at=inf)
    assert progress.pending_since == at(0)
    assert progress.failures == 60
    assert progress.succeeded is None


@pytest.mark.parametrize("outcome", WRONG.values(), ids=WRONG)
def test_a_remote_that_is_away_while_nothing_waits_is_a_failure_and_no_pending_change(outcome):
    progress = Progress().after(outcome, at(0), waiting=None, next_try_at=30)
    assert progress.pending_since is None
    assert (progress.failures, progress.next_try_at) == (1, 30)


@pytest.mark.parametrize("outcome", RIGHT.values(), ids=RIGHT)
def test_a_branch_that_is_right_ends_it_all(outcome):
    progress = Progress().after(WRONG["our commit waits"], at(0), waiting=at(0), next_try_at=30)
    progress = progress.after(outcome, at(60), waiting=None, next_try_at=360)
    assert progress == Progress(outcome, succeeded=at(60))


def test_the_age_grows_while_nothing_happens():
    """A gauge that is set once would say 0 for ever; this one is asked at each scrape."""
    hands, metrics = Hands(), Metrics()
    progress = Progress().after(
        WRONG["our commit waits"], hands.clocks.now(), waiting=hands.clocks.now(), next_try_at=inf
    )
    show_progress(metrics, hands.clocks, lambda: progress)
    assert scrape(metrics)["pending_change_age_seconds"] == 0
    hands.pass_by(3600)
    assert scrape(metrics)["pending_change_age_seconds"] == 3600


@pytest.mark.parametrize("step", [timedelta(days=-1), timedelta(days=1), timedelta(hours=-5)])
def test_a_clock_that_is_set_changes_no_age_and_mends_the_dates(step):
    """`time() - last_success` is an hour before the step, and after it."""
    hands, metrics = Hands(), Metrics()
    progress = Progress().after(RIGHT["pushed"], hands.clocks.now(), waiting=None, next_try_at=inf)
    now = hands.clocks.now()
    progress = progress.after(WRONG["our commit waits"], now, waiting=now, next_try_at=inf)
    show_progress(metrics, hands.clocks, lambda: progress)
    hands.pass_by(3600)
    for _ in range(2):
        seen = scrape(metrics)
        assert seen["pending_change_age_seconds"] == 3600
        assert hands.date.timestamp() - seen["pending_since_timestamp_seconds"] == 3600
        assert hands.date.timestamp() - seen["last_success_timestamp_seconds"] == 3600
        hands.date += step


def test_a_date_does_not_tremble():
    """Whole seconds of the calendar against fractions of the other: no scrape sees a change."""
    hands = Hands()
    moment = hands.clocks.now()
    for tenth in range(50):
        hands.seconds = 1000 + tenth / 10
        hands.date = NOON + timedelta(seconds=tenth // 10)
        assert hands.clocks.date(moment) == NOON


def test_what_never_was_is_zero():
    metrics = Metrics()
    show_progress(metrics, Hands().clocks, Progress)
    seen = scrape(metrics)
    assert seen["pending_since_timestamp_seconds"] == seen["pending_change_age_seconds"] == 0
    assert seen["last_success_timestamp_seconds"] == 0


def test_ten_minutes_without_git_are_the_end():
    """Of this process: a new one may get what git needs."""
    hands = Hands()
    starts = Starts(hands.clocks.monotonic)
    no_process = Failed(Reason.LOCAL, "git ls-remote: error: cannot fork() for ssh", Stage.LOOK)
    starts.note(Unconfirmed(DECIDED, no_process))
    assert starts.failing
    hands.pass_by(599)
    starts.note(Unconfirmed(DECIDED, no_process))
    assert not starts.lost()
    hands.pass_by(2)
    assert starts.lost()
    starts.note(Unconfirmed(DECIDED, AWAY))
    assert not starts.failing
    assert not starts.lost()
