"""The rules of a Lease: one leads, the others wait, and no clock of another machine counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.apply.election import Durations, Election, LeaseRecord, LeaseStep, micro_time

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
OTHERS = LeaseRecord("other", 15, "a", "b", 3)
US = Election("us")
UNFIT_US = LeaseRecord("us", 15, "a", "b", 3, unfit=True)


def seeing(record: LeaseRecord | None, at: float = 100) -> Election:
    return US.see(record, "1", at)


def unfit(record: LeaseRecord | None) -> Election:
    return replace(US, fit=False, record=LeaseRecord("before", 1)).see(record, "1", 100)


STEPS = {
    "nobody made it yet": (seeing(None), 100, LeaseStep.CREATE),
    "another one just renewed it": (seeing(OTHERS), 100, LeaseStep.WAIT),
    "another one did so a moment too recently": (seeing(OTHERS), 114.9, LeaseStep.WAIT),
    "another one said nothing for as long as it lasts": (seeing(OTHERS), 115, LeaseStep.TAKE),
    "its own duration counts, not ours": (seeing(replace(OTHERS, seconds=60)), 159, LeaseStep.WAIT),
    "it was given up": (seeing(replace(OTHERS, holder="")), 100, LeaseStep.TAKE),
    "it has our name, and we know nothing of it": (seeing(replace(OTHERS, holder="us")), 100, LeaseStep.RENEW),
    "its times are of tomorrow": (
        seeing(replace(OTHERS, renewed="2999-01-01T00:00:00Z")),
        115,
        LeaseStep.TAKE,
    ),
    "its times are of long ago": (
        seeing(replace(OTHERS, renewed="1970-01-01T00:00:00Z")),
        114,
        LeaseStep.WAIT,
    ),
    "seen again unchanged, it ages": (seeing(OTHERS).see(OTHERS, "1", 114), 115, LeaseStep.TAKE),
    "seen again and renewed, it does not": (
        seeing(OTHERS).see(replace(OTHERS, renewed="c"), "1", 114),
        115,
        LeaseStep.WAIT,
    ),
    "who cannot work gives it up": (unfit(replace(OTHERS, holder="us")), 100, LeaseStep.RELEASE),
    "who cannot work leaves a free one to others": (unfit(replace(OTHERS, holder="")), 114.9, LeaseStep.WAIT),
    "but not for ever": (unfit(replace(OTHERS, holder="")), 115, LeaseStep.TAKE),
    "nor one that nobody renews": (unfit(OTHERS), 130, LeaseStep.TAKE),
    "who cannot work does not make it at once": (unfit(None), 114.9, LeaseStep.WAIT),
    "then it stays, as long as nobody better asks": (unfit(UNFIT_US), 100, LeaseStep.RENEW),
    "who is asked by a better one gives it up": (
        unfit(replace(UNFIT_US, wanted_by="other")),
        100,
        LeaseStep.RELEASE,
    ),
    "who can work again need not": (
        seeing(replace(UNFIT_US, wanted_by="other")),
        100,
        LeaseStep.RENEW,
    ),
    "who can work asks one who cannot": (seeing(replace(OTHERS, unfit=True)), 100, LeaseStep.ASK),
    "once is enough": (
        seeing(replace(OTHERS, unfit=True, wanted_by="third")),
        100,
        LeaseStep.WAIT,
    ),
    "who cannot work does not ask": (unfit(replace(OTHERS, unfit=True)), 100, LeaseStep.WAIT),
    "who asked waits for the answer": (
        seeing(replace(OTHERS, unfit=True, wanted_by="us")),
        114,
        LeaseStep.WAIT,
    ),
    "and takes what is not renewed": (
        seeing(replace(OTHERS, unfit=True, wanted_by="us")),
        115,
        LeaseStep.TAKE,
    ),
    "deleted meanwhile": (seeing(OTHERS).see(None, "1", 101), 101, LeaseStep.CREATE),
}  # fmt: skip


@pytest.mark.parametrize(("election", "now", "step"), STEPS.values(), ids=STEPS)
def test_what_a_candidate_does(election, now, step):
    assert election.step(now) is step


LED = US.wrote(LeaseRecord("us", 15, "a", "b"), "1", 100)
LEADING = {
    "who wrote nothing": (US, 100, False),
    "who waits": (seeing(OTHERS), 100, False),
    "who just wrote": (LED, 100, True),
    "until its deadline": (LED, 109.9, True),
    "not at its deadline": (LED, 110, False),
    "who renewed": (LED.wrote(LeaseRecord("us", 15, "a", "c"), "1", 109), 118.9, True),
    "who sees its own name": (LED.see(LED.record, "1", 105), 106, True),
    "who sees another name": (LED.see(OTHERS, "1", 105), 105, False),
    "who sees nothing where its record was": (LED.see(None, "1", 105), 105, False),
    "who sees its name again, without having written": (
        LED.see(OTHERS, "1", 105).see(LED.record, "1", 106),
        106,
        False,
    ),
}


@pytest.mark.parametrize(("election", "now", "leads"), LEADING.values(), ids=LEADING)
def test_who_leads(election, now, leads):
    assert election.leads(now) is leads


def test_a_record_says_since_when_and_how_often_it_changed_hands():
    first = seeing(None).claim(NOON)
    assert first == LeaseRecord("us", 15, micro_time(NOON), micro_time(NOON), 0)
    later = NOON + timedelta(seconds=2)
    renewed = US.wrote(first, "1", 0).claim(later)
    assert renewed == LeaseRecord("us", 15, micro_time(NOON), micro_time(later), 0)
    taken = seeing(OTHERS).claim(NOON)
    assert (taken.holder, taken.transitions, taken.acquired) == ("us", 4, micro_time(NOON))


def test_a_record_says_whether_its_holder_can_work_and_who_else_could():
    cannot = replace(US, fit=False).claim(NOON)
    assert cannot.unfit and not US.claim(NOON).unfit
    asked = Election("next").see(cannot, "1", 100).request()
    assert asked == replace(cannot, wanted_by="next")
    back = US.see(asked, "2", 101).claim(NOON)
    assert (back.unfit, back.wanted_by) == (False, "")


def test_what_is_given_up_is_free_at_once():
    given_up = LED.release(NOON)
    assert Election("next").see(given_up, "1", 100).step(100) is LeaseStep.TAKE


def test_times_are_as_the_api_writes_them():
    cet = NOON.replace(microsecond=5).astimezone(timezone(timedelta(hours=1)))
    assert micro_time(cet) == "2026-11-25T12:00:00.000005Z"


@pytest.mark.parametrize(
    "wrong",
    [(10, 10, 2), (15, 2, 2), (15, 10, 0), (15, 10, 9), (2, 10, 15), (15, 16, 2), (15, 10, -1)],
)
def test_durations_that_would_let_two_lead_are_refused(wrong):
    with pytest.raises(ValueError, match="must be longer"):
        Durations(*wrong)


TRIES = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 6), st.sampled_from([0, 0, 1, 4, 8]), st.booleans()
    ),
    min_size=20,
    max_size=60,
)
"""Who tries, how long after the last try, how long its write takes, and whether it is answered."""


@given(TRIES, st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
def test_two_never_lead_at_once(tries, offsets):
    """Three candidates on clocks that disagree, with writes that take long or are never answered.

    The server takes no write over a state that the writer has not seen, as by resourceVersion.
    """
    candidates = [Election(f"c{number}") for number in range(3)]
    server: LeaseRecord | None = None
    version, now = 0, 0
    under_way: list[tuple] = []

    def land(until: float) -> None:
        nonlocal server, version
        for lands, number, record, seen, began, answered in sorted(
            under_way, key=lambda one: one[0]
        ):
            if lands > until:
                continue
            under_way[:] = [one for one in under_way if one[1] != number]
            if seen == version:
                server, version = record, version + 1
                if answered:
                    candidates[number] = candidates[number].wrote(record, str(version), began)
            check(lands)

    def check(moment: float) -> None:
        by_clock = zip(candidates, offsets, strict=True)
        leading = [one.identity for one, offset in by_clock if one.leads(moment + offset)]
        assert len(leading) <= 1

    for number, pause, latency, answered in tries:
        now += pause
        land(now)
        if number in {one[1] for one in under_way}:
            continue
        local = now + offsets[number]
        one = candidates[number] = candidates[number].see(server, str(version), local)
        if one.step(local) is not LeaseStep.WAIT:
            record = one.claim(NOON + timedelta(seconds=now))
            under_way.append((now + latency, number, record, version, local, answered))
        check(now)
