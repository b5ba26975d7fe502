"""How one prefix gives way to the next: what changes, what stays, what time ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.advertisement import WEBHOOK, Router
from gitops_prefix.decide.prefix import AddressRange, Prefix, Subnet
from gitops_prefix.decide.specification import Acquisition, Specification, Transition
from gitops_prefix.decide.status import (
    Condition,
    PastPrefix,
    PrefixSource,
    Status,
    read_status,
    status_document,
)
from gitops_prefix.decide.transition import (
    NOTHING_OBSERVED,
    Choice,
    advance,
    due,
    imagine,
    imagined_prefix,
    settle,
)
from tests.decide.strategies import link_prefix

A, B, C, D = (link_prefix(number) for number in (0xA, 0xB, 0xC, 0xD))
TEN = datetime(2026, 11, 23, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
POOL = AddressRange("pool", 0xF000 << 48, (1 << 64) - 1)
PLAIN = Specification("home", ranges=(POOL,))


def home(**transition):
    return Specification("home", ranges=(POOL,), transition=Transition(**transition))


def observed(prefix, **more):
    return Choice(prefix, PrefixSource.ROUTER_ADVERTISEMENT, **more)


def after(specification, *prefixes, start=TEN, step=HOUR):
    """The status after these prefixes came, an hour apart."""
    status = None
    for number, prefix in enumerate(prefixes):
        status = advance(specification, status, observed(prefix), start + number * step)
    return status


@pytest.mark.parametrize(
    "choice", [NOTHING_OBSERVED, observed(None)], ids=["nobody looked", "none came"]
)
def test_without_a_prefix_there_is_no_status(choice):
    assert advance(PLAIN, None, choice, TEN) is None


def test_the_first_prefix_is_acquired_with_its_ranges_and_conditions():
    status = advance(PLAIN, None, observed(A), TEN.replace(microsecond=5))

    assert status == Status(
        current=A,
        source=PrefixSource.ROUTER_ADVERTISEMENT,
        acquired_at=TEN,
        ranges=(POOL.within(A),),
        conditions=(
            Condition(
                "PrefixAcquired",
                "True",
                "PrefixAcquired",
                f"{A} was learnt by router-advertisement",
                TEN,
            ),
            Condition(
                "PoolsSynced", "True", "Synced", f"the manifests of this commit hold {A}", TEN
            ),
        ),
    )


@pytest.mark.parametrize(
    ("most", "came", "history"),
    [
        pytest.param(2, (A,), (), id="one prefix has no past"),
        pytest.param(2, (A, B), (A,), id="A to B: A is the past"),
        pytest.param(2, (A, B, C), (B, A), id="newest first"),
        pytest.param(2, (A, B, C, D), (C, B), id="the oldest is dropped"),
        pytest.param(2, (A, B, A), (B,), id="A returns: it leaves the past, B is in front"),
        pytest.param(2, (A, B, C, A), (C, B), id="A returns from the end of the past"),
        pytest.param(2, (A, B, A, B), (A,), id="to and fro"),
        pytest.param(2, (A, A, A), (), id="the same again and again"),
        pytest.param(2, (A, B, B), (A,), id="the same after a change"),
        pytest.param(0, (A, B), (), id="no past is kept"),
        pytest.param(0, (A, B, A), (), id="not even on return"),
        pytest.param(1, (A, B, C), (B,), id="one is kept"),
        pytest.param(10, (A, B, C, D), (C, B, A), id="ten are plenty"),
    ],
)
def test_the_history_is_what_came_before(most, came, history):
    status = after(home(max_prefix_history=most), *came)

    assert status.current == came[-1]
    assert tuple(past.prefix for past in status.history) == history


def test_a_past_prefix_knows_its_times():
    status = after(PLAIN, A, B, C)

    assert status.acquired_at == TEN + 2 * HOUR
    assert status.history == (
        PastPrefix(B, TEN + HOUR, TEN + 2 * HOUR),
        PastPrefix(A, TEN, TEN + HOUR),
    )


def test_a_calendar_that_is_set_back_keeps_the_order_of_what_happened():
    status = after(PLAIN, A, B, step=HOUR)
    status = advance(PLAIN, status, observed(C), TEN - 24 * HOUR)

    assert status.acquired_at == TEN + HOUR
    assert status.history == (
        PastPrefix(B, TEN + HOUR, TEN + HOUR),
        PastPrefix(A, TEN, TEN + HOUR),
    )


def test_a_prefix_that_returns_is_acquired_anew():
    status = after(PLAIN, A, B, A)

    assert status.acquired_at == TEN + 2 * HOUR
    assert status.history == (PastPrefix(B, TEN + HOUR, TEN + 2 * HOUR),)


def test_ranges_and_subnets_follow_the_current_prefix():
    specification = Specification(
        "home",
        Acquisition(delegated_length=56),
        ranges=(POOL,),
        subnets=(Subnet("pods", 1, 64),),
    )
    status = after(specification, link_prefix(0x100), link_prefix(0x2FF))

    assert [str(cidr) for cidr in status.ranges[0].cidrs] == ["2001:db8:0:2ff:f000::/68"]
    assert str(status.subnets[0].cidr) == "2001:db8:0:201::/64"


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        pytest.param(
            Specification("home", ranges=(AddressRange("pool", 1, 1 << 64),)),
            "inside the /64 prefix",
            id="a range",
        ),
        pytest.param(
            Specification("home", subnets=(Subnet("pods", 1, 64),)), "lies outside", id="a subnet"
        ),
    ],
)
def test_what_does_not_fit_the_prefix_is_refused(specification, words):
    with pytest.raises(ValueError, match=words):
        advance(specification, None, observed(A), TEN)


@pytest.mark.parametrize(
    "specification",
    [PLAIN, Specification("home")],
    ids=["with a range", "the prefix alone"],
)
def test_the_conditions_tell_of_the_prefix_that_came_last(specification):
    status = after(specification, A, B)

    assert [condition.message for condition in status.conditions] == [
        f"{B} was learnt by router-advertisement",
        f"the manifests of this commit hold {B}",
    ]


def test_a_condition_that_stays_true_keeps_its_time_and_a_foreign_one_stays():
    foreign = Condition("Paused", "False", "Running", "an operator's", TEN)
    first = after(PLAIN, A)
    status = advance(
        PLAIN, replace(first, conditions=(*first.conditions, foreign)), observed(B), TEN + HOUR
    )

    assert [condition.last_transition_time for condition in status.conditions] == [TEN, TEN, TEN]
    assert status.conditions[2] == foreign


def test_a_condition_that_was_false_turns_true_now():
    first = after(PLAIN, A)
    untrue = first.conditions[0]._replace(status="False")
    status = advance(PLAIN, replace(first, conditions=(untrue,)), observed(B), TEN + HOUR)

    assert [condition.last_transition_time for condition in status.conditions] == [
        TEN + HOUR,
        TEN + HOUR,
    ]


@pytest.mark.parametrize(
    "choice",
    [
        pytest.param(observed(B), id="the same prefix"),
        pytest.param(Choice(B, PrefixSource.KERNEL), id="the same prefix from another source"),
        pytest.param(Choice(B, PrefixSource.WEBHOOK), id="the same prefix, written by a person"),
        pytest.param(observed(B, valid_for=((B, 5.0),)), id="with another lifetime"),
        pytest.param(observed(None, valid_for=()), id="no prefix any more: fail static"),
        pytest.param(NOTHING_OBSERVED, id="nothing observed"),
    ],
)
@pytest.mark.parametrize("conditions", ["ours", "none"])
def test_without_another_prefix_not_a_byte_changes(choice, conditions):
    status = after(PLAIN, A, B)
    if conditions == "none":
        status = replace(status, conditions=())

    assert advance(PLAIN, status, choice, TEN + 1000 * HOUR) is status


def test_an_update_that_repeats_the_prefix_is_noted_since_nobody_sends_it_again():
    said = Choice(B, PrefixSource.WEBHOOK, router=Router("home", WEBHOOK))
    status = after(PLAIN, A, B)
    noted = advance(PLAIN, status, said, TEN + HOUR)
    assert noted.source is PrefixSource.WEBHOOK
    assert replace(noted, source=status.source).same_decision(status)
    assert advance(PLAIN, noted, said, TEN + 2 * HOUR) is noted
    assert advance(PLAIN, noted, observed(B), TEN + 2 * HOUR) is noted


DELAYED = home(mode="ha", dns_delay=2 * HOUR)


@pytest.mark.parametrize(
    ("specification", "came", "target"),
    [
        pytest.param(home(mode="ha"), (A, B), B, id="without a delay DNS moves at once"),
        pytest.param(home(dns_delay=HOUR), (A, B), B, id="in simple mode there is no DNS to delay"),
        pytest.param(DELAYED, (A,), A, id="the first prefix has nothing to wait for"),
        pytest.param(DELAYED, (A, B), A, id="A to B: DNS stays with A"),
        pytest.param(DELAYED, (A, B, C), A, id="and stays with A while the next comes"),
        pytest.param(DELAYED, (A, B, A), A, id="A returns: nothing has moved"),
        pytest.param(
            home(mode="ha", dns_delay=2 * HOUR, max_prefix_history=0),
            (A, B),
            B,
            id="a dropped prefix is no target",
        ),
        pytest.param(
            home(mode="ha", dns_delay=9 * HOUR, max_prefix_history=1),
            (A, B, C),
            C,
            id="nor one that was dropped later",
        ),
    ],
)
def test_dns_stays_with_the_old_prefix_for_the_delay(specification, came, target):
    assert after(specification, *came).dns_target == target


@pytest.mark.parametrize(
    ("choice", "later", "target"),
    [
        pytest.param(observed(B), 2 * HOUR - timedelta(seconds=1), A, id="a second before its end"),
        pytest.param(observed(B), 2 * HOUR, B, id="at its end"),
        pytest.param(NOTHING_OBSERVED, 2 * HOUR, B, id="at its end, though nobody looks"),
        pytest.param(
            observed(B, valid_for=((A, 60.0), (B, 60.0))),
            HOUR,
            A,
            id="while A is advertised, if only as deprecated",
        ),
        pytest.param(
            observed(B, valid_for=((B, 60.0),)), HOUR, B, id="at once when A is advertised no more"
        ),
    ],
)
def test_dns_moves_when_the_delay_ends_or_the_old_prefix_is_gone(choice, later, target):
    status = advance(DELAYED, after(DELAYED, A), observed(B), TEN + HOUR)

    assert advance(DELAYED, status, choice, TEN + HOUR + later).dns_target == target


def test_dns_moves_in_the_same_change_when_the_old_prefix_is_gone_at_once():
    status = advance(DELAYED, after(DELAYED, A), observed(B, valid_for=((B, 60.0),)), TEN + HOUR)

    assert status.dns_target == B


@pytest.mark.parametrize(
    ("change", "target"),
    [
        pytest.param({"dns_delay": timedelta(0)}, B, id="the delay was taken back"),
        pytest.param({"mode": "simple"}, B, id="HA was switched off"),
        pytest.param({"dns_delay": 4 * HOUR}, A, id="the delay was made longer"),
    ],
)
def test_a_changed_specification_counts_at_once(change, target):
    status = advance(DELAYED, after(DELAYED, A), observed(B), TEN + HOUR)
    specification = replace(DELAYED, transition=replace(DELAYED.transition, **change))

    assert advance(specification, status, observed(B), TEN + 2 * HOUR).dns_target == target


def test_dns_does_not_wait_for_a_time_that_nobody_knows():
    status = replace(after(DELAYED, A, B), acquired_at=None)

    assert advance(DELAYED, status, observed(B), TEN).dns_target == B


@pytest.mark.parametrize(
    ("retention", "later", "history"),
    [
        pytest.param(None, 10000 * HOUR, (B, A), id="without retention the past stays"),
        pytest.param(3 * HOUR, timedelta(0), (B, A), id="too early for either"),
        pytest.param(
            3 * HOUR, 2 * HOUR - timedelta(seconds=1), (B, A), id="a second before A's end"
        ),
        pytest.param(3 * HOUR, 2 * HOUR, (B,), id="A's end, counted from its deprecation"),
        pytest.param(3 * HOUR, 3 * HOUR, (), id="B's end"),
        pytest.param(timedelta(0), timedelta(0), (), id="a retention of nothing"),
    ],
)
def test_retention_ends_a_past_prefix(retention, later, history):
    specification = home(retention=retention)
    status = advance(
        specification, after(specification, A, B, C), NOTHING_OBSERVED, TEN + 2 * HOUR + later
    )

    assert tuple(past.prefix for past in status.history) == history


def test_a_past_prefix_of_unknown_age_is_not_ended():
    status = replace(after(PLAIN, B), history=(PastPrefix(A, None, None),))

    assert advance(home(retention=HOUR), status, NOTHING_OBSERVED, TEN + 99 * HOUR) is status


LIFETIME = home(retention="lifetime")


@pytest.mark.parametrize(
    ("choice", "valid_until"),
    [
        pytest.param(
            observed(B, valid_for=((A, 7200.9), (B, 9.0))),
            TEN + 3 * HOUR,
            id="deprecated, still advertised",
        ),
        pytest.param(
            observed(B, valid_for=((B, 9.0),), ends_in=((A, 7200.0), (B, 9.0))),
            TEN + 3 * HOUR,
            id="left out, but its last lifetime is remembered",
        ),
        pytest.param(observed(B, valid_for=((A, inf),)), None, id="infinity never ends"),
        pytest.param(observed(B), None, id="nobody knows"),
    ],
)
def test_the_end_of_the_last_advertised_lifetime_is_noted(choice, valid_until):
    status = advance(LIFETIME, after(LIFETIME, A), choice, TEN + HOUR)

    assert status.history == (PastPrefix(A, TEN, TEN + HOUR, valid_until),)


def test_lifetimes_are_noted_only_where_they_count():
    status = advance(PLAIN, after(PLAIN, A), observed(B, valid_for=((A, 7200.0),)), TEN + HOUR)

    assert status.history == (PastPrefix(A, TEN, TEN + HOUR),)


@pytest.mark.parametrize(
    ("choice", "now", "kept"),
    [
        pytest.param(
            observed(B), TEN + 3 * HOUR - timedelta(seconds=1), True, id="a second before its end"
        ),
        pytest.param(observed(B), TEN + 3 * HOUR, False, id="at its end"),
        pytest.param(
            observed(B, valid_for=()), TEN + 3 * HOUR, False, id="advertised no more, at its end"
        ),
        pytest.param(
            observed(B, valid_for=()), TEN + 2 * HOUR, True, id="advertised no more, before it"
        ),
        pytest.param(
            observed(B, valid_for=((A, 60.0),)),
            TEN + 9 * HOUR,
            True,
            id="advertised still, beyond its end",
        ),
        pytest.param(
            observed(B, valid_for=(), ends_in=((A, 60.0),)),
            TEN + 9 * HOUR,
            True,
            id="its last advertisement moved its end",
        ),
        pytest.param(
            observed(B, valid_for=(), ends_in=((A, 0.0),)),
            TEN + 2 * HOUR,
            False,
            id="withdrawn: valid lifetime 0",
        ),
    ],
)
def test_a_lifetime_ends_a_past_prefix(choice, now, kept):
    status = advance(
        LIFETIME, after(LIFETIME, A), observed(B, valid_for=((A, 7200.0),)), TEN + HOUR
    )

    assert (A in advance(LIFETIME, status, choice, now).prefixes) is kept


def test_a_lifetime_that_nobody_knows_is_that_of_a_router_by_default():
    """A past prefix whose lifetime was never heard goes 30 days after its deprecation (RFC 4861 6.2.1)."""
    status = advance(LIFETIME, after(LIFETIME, A), observed(B), TEN + HOUR)
    end = TEN + HOUR + timedelta(days=30)

    assert due(LIFETIME, status) == end
    assert advance(LIFETIME, status, observed(B), end - timedelta(seconds=1)) is status
    assert advance(LIFETIME, status, observed(B), end).history == ()


def test_a_past_prefix_of_an_unknown_time_stays():
    status = replace(after(LIFETIME, B), history=(PastPrefix(A, None, None),))

    assert due(LIFETIME, status) is None
    assert advance(LIFETIME, status, observed(B), TEN + 9999 * HOUR).history == (
        PastPrefix(A, None, None),
    )


@pytest.mark.parametrize(
    ("specification", "status", "moment"),
    [
        pytest.param(PLAIN, after(PLAIN, A, B), None, id="nothing ends by itself"),
        pytest.param(home(retention=HOUR), after(PLAIN, A), None, id="no past, no end"),
        pytest.param(
            home(retention=9 * HOUR),
            after(PLAIN, A, B, C),
            TEN + 10 * HOUR,
            id="the oldest past prefix",
        ),
        pytest.param(
            LIFETIME,
            replace(
                after(PLAIN, B),
                history=(PastPrefix(A, TEN, TEN, TEN + HOUR), PastPrefix(C, TEN, TEN)),
            ),
            TEN + HOUR,
            id="a noted lifetime",
        ),
        pytest.param(
            PLAIN,
            replace(after(PLAIN, B), history=(PastPrefix(A, TEN, TEN, TEN + HOUR),)),
            None,
            id="a noted lifetime that no longer counts",
        ),
        pytest.param(DELAYED, after(DELAYED, A, B), TEN + 3 * HOUR, id="the DNS delay"),
        pytest.param(
            replace(DELAYED, transition=replace(DELAYED.transition, retention=HOUR)),
            after(DELAYED, A, B),
            TEN + 2 * HOUR,
            id="whichever comes first",
        ),
    ],
)
def test_the_next_moment_at_which_time_alone_changes_something(specification, status, moment):
    assert due(specification, status) == moment


def test_a_lifetime_that_is_watched_is_not_due_by_the_calendar():
    status = advance(
        LIFETIME, after(LIFETIME, A), observed(B, valid_for=((A, 7200.0),)), TEN + HOUR
    )

    assert due(LIFETIME, status) == TEN + 3 * HOUR
    assert due(LIFETIME, status, observed(B, valid_for=((A, 60.0),))) is None


@pytest.mark.parametrize(
    ("specification", "history"),
    [
        pytest.param(home(max_prefix_history=1), (B,), id="a shorter history"),
        pytest.param(home(max_prefix_history=9), (B, A), id="a longer one brings nothing back"),
        pytest.param(
            home(retention=timedelta(0)), (B, A), id="time ends nothing: no clock is read"
        ),
    ],
)
def test_settling_makes_a_status_agree_with_its_specification(specification, history):
    status = settle(specification, after(PLAIN, A, B, C))

    assert tuple(past.prefix for past in status.history) == history


def test_settling_places_ranges_that_were_added_since():
    later = replace(PLAIN, ranges=(POOL, AddressRange("more", 1, 2)))

    assert [placed.name for placed in settle(later, after(PLAIN, A)).ranges] == ["pool", "more"]


def test_settling_gives_new_conditions_the_time_of_the_prefix():
    status = settle(PLAIN, Status(A, PrefixSource.STATIC, TEN))

    assert {condition.last_transition_time for condition in status.conditions} == {TEN}


links = st.integers(0, 4).map(link_prefix)
specifications = st.builds(
    lambda most, retention, mode, delay: home(
        max_prefix_history=most, retention=retention, mode=mode, dns_delay=delay
    ),
    st.integers(0, 10),
    st.sampled_from([None, HOUR, 30 * HOUR, timedelta(0), "lifetime"]),
    st.sampled_from(["simple", "ha"]),
    st.sampled_from([timedelta(0), HOUR, 30 * HOUR]),
)
lifetimes = st.dictionaries(links, st.sampled_from([0.5, 3600.0, 99999.0, inf]), max_size=3).map(
    lambda known: tuple(known.items())
)
choices = st.builds(
    lambda prefix, valid, ends: observed(prefix, valid_for=valid, ends_in=ends),
    st.none() | links,
    st.none() | lifetimes,
    lifetimes,
)
histories = st.lists(st.tuples(choices, st.integers(0, 20)), min_size=1, max_size=12)


def walked(specification, history):
    """Each step's choice, time, status before and status after."""
    status, now = None, TEN
    for choice, hours in history:
        now += hours * HOUR
        before, status = status, advance(specification, status, choice, now)
        yield choice, now, before, status


@given(specifications, histories)
def test_no_prefix_is_ever_twice_and_the_history_is_never_too_long(specification, history):
    for _, _, _, status in walked(specification, history):
        if status:
            assert len(set(status.prefixes)) == len(status.prefixes)
            assert len(status.history) <= specification.transition.max_prefix_history
            assert status.dns_target in status.prefixes


@given(specifications, histories)
def test_the_current_prefix_is_the_last_one_observed(specification, history):
    last = None
    for choice, _, _, status in walked(specification, history):
        last = choice.prefix or last
        assert (status.current if status else None) == last


@given(specifications, histories)
def test_the_prefix_that_was_replaced_is_in_front_unless_nothing_is_kept(specification, history):
    for _, _, before, status in walked(specification, history):
        if before and before.current != status.current and status.history:
            times = [past.deprecated_at for past in status.history]
            assert times == sorted(times, reverse=True)
            if specification.transition.retention is None:
                assert status.history[0].prefix == before.current


@given(specifications, histories)
def test_observing_the_same_at_the_same_time_again_changes_not_a_byte(specification, history):
    for choice, now, _, status in walked(specification, history):
        assert advance(specification, status, choice, now) is status


@given(specifications, specifications, histories)
def test_settling_twice_is_settling_once(specification, other, history):
    *_, (_, _, _, status) = walked(specification, history)
    if status:
        assert settle(specification, status) is status
        settled = settle(other, status)
        assert settle(other, settled) is settled


@given(specifications, histories)
def test_a_status_survives_the_repository(specification, history):
    *_, (_, _, _, status) = walked(specification, history)
    if status:
        assert read_status({"status": status_document(status)}) == (status, ())


@given(specifications, histories, st.integers(1, 100_000))
def test_nothing_changes_before_it_is_due_and_something_does_then(specification, history, seconds):
    *_, (_, now, _, status) = walked(specification, history)
    if status is None:
        return
    status = advance(specification, status, NOTHING_OBSERVED, now)
    moment = due(specification, status)
    later = now + timedelta(seconds=seconds)
    changed = advance(specification, status, NOTHING_OBSERVED, later) is not status

    assert changed is (moment is not None and moment <= later)


def test_prefixes_of_another_length_may_follow_each_other():
    longer = Prefix.enclosing(A.network, 56)

    assert after(PLAIN, A, longer).prefixes == (longer, A)


def test_two_dynamic_prefixes_are_imagined_apart():
    """Two DynamicPrefixes may have one suffix: it is no address twice."""
    statuses = [imagine(PLAIN, number) for number in range(4)]

    assert [status.current.length for status in statuses] == [64] * 4
    assert len({status.ranges[0].start for status in statuses}) == 4


def test_a_range_that_fits_other_lengths_alone_cannot_be_imagined():
    whole = Specification("home", ranges=(AddressRange("pool", 0, 1 << 80),))

    assert imagine(whole) is None


@pytest.mark.parametrize(
    ("length", "delegated"), [(64, None), (64, 56), (48, None), (40, 20), (80, 60)]
)
def test_imagined_prefixes_are_never_in_one_delegation(length, delegated):
    specification = Specification("home", Acquisition(delegated_length=delegated))
    made = [imagined_prefix(specification, length, number) for number in range(24)]
    bases = [specification.base(prefix) for prefix in made]
    assert {prefix.length for prefix in made} == {length}
    assert len(set(bases)) == len(made)


def test_imagined_prefixes_are_in_a_block_that_nobody_has():
    """3ffe::/16 was returned (RFC 3701). However many there are, they are prefixes."""
    assert Prefix.parse("3ffe::/16").covers(imagined_prefix(PLAIN, 64, 0))
    wide = Specification("home", Acquisition(delegated_length=16))
    assert imagined_prefix(wide, 64, 0xFFFF) == Prefix.parse("3ffe::/64")
