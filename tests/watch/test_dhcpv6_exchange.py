"""Prefix delegation as a state machine, against a server that a test writes down (RFC 8415)."""

from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.advertisement import INFINITY
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.dhcpv6_codec import (
    Association,
    Code,
    DelegatedPrefix,
    Dhcpv6Message,
    MessageType,
    ServerStatus,
)
from gitops_prefix.watch.dhcpv6_exchange import (
    HURRY_AFTER,
    REBIND_AFTER_HURRY,
    SHORTEST_RENEWAL,
    TIMINGS,
    DelegationWish,
    Exchange,
    ExchangeState,
    Letter,
    Turn,
    TurnTime,
    began,
    confirmed,
    due,
    ended,
    heard,
    hurried,
)

A, B = Prefix.parse("2001:db8:aa00::/56"), Prefix.parse("2001:db8:bb00::/56")
DUID, SERVER, OTHER = b"\0\4client", b"\0\3server", b"\0\3other"
WISH = DelegationWish(7, DUID, 56)
SOURCE = "fe80::1"
S, R = ExchangeState, MessageType
MOMENT = TurnTime(0.0, 0.0, 1)
NONE_LEFT = ServerStatus(Code.NO_PREFIX_AVAIL, "none")


def lease(prefix: Prefix, valid: int = 1000, preferred: int | None = None) -> DelegatedPrefix:
    return DelegatedPrefix(prefix, valid if preferred is None else preferred, valid)


@dataclass
class House:
    """A client, its clock, and what it sent and reported."""

    exchange: Exchange = field(default_factory=lambda: began([], MOMENT).exchange)
    now: float = 0.0
    wish: DelegationWish = WISH
    chance: float = 0.5
    sent: list[tuple[float, Dhcpv6Message]] = field(default_factory=list)
    given: list[tuple[DelegatedPrefix, ...]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def take(self, turn: Turn) -> "House":
        self.exchange = turn.exchange
        if turn.send is not None:
            self.sent.append((self.now, turn.send))
        if turn.delegated is not None:
            self.given.append(turn.delegated)
        if turn.complaint:
            self.complaints.append(turn.complaint)
        return self

    def moment(self) -> TurnTime:
        return TurnTime(self.now, self.chance, 1000 + len(self.sent))

    def until(self, end: float) -> "House":
        """Do all that is due, in silence."""
        while self.exchange.due_at <= end:
            self.now = max(self.now, self.exchange.due_at)
            self.take(due(self.exchange, self.wish, self.moment()))
        self.now = end
        return self

    def next(self) -> Dhcpv6Message:
        """The next message, in its time."""
        count = len(self.sent)
        while len(self.sent) == count:
            assert self.exchange.due_at < inf
            self.until(self.exchange.due_at)
        return self.sent[-1][1]

    def hear(self, *prefixes: DelegatedPrefix, source: str = SOURCE, **said: object) -> "House":
        """A server answers what was sent last."""
        request = self.sent[-1][1]
        kind = R.ADVERTISE if request.type is R.SOLICIT else R.REPLY
        association = Association(7, said.pop("t1", 0), said.pop("t2", 0), prefixes)
        if "refuses" in said:
            association = association._replace(status=said.pop("refuses"))
        answer = {
            "type": kind,
            "transaction": request.transaction,
            "client": DUID,
            "server": SERVER,
            "associations": (association,),
            **said,
        }
        letter = Letter(Dhcpv6Message(**answer), source)
        return self.take(heard(self.exchange, self.wish, letter, self.moment()))

    def bound(self, *prefixes: DelegatedPrefix, **said: object) -> "House":
        """Solicit and request, until the server has delegated these."""
        while self.next().type is not R.REQUEST:
            self.hear(*prefixes)
        self.hear(*prefixes, **said)
        assert self.exchange.state is S.BOUND
        return self

    def types(self) -> list[str]:
        return [message.type.name for _, message in self.sent]


def asked(message: Dhcpv6Message) -> list[str]:
    return [str(each.prefix) for each in message.associations[0].prefixes]


def test_from_solicit_to_bound():
    house = House()
    solicit = house.next()
    assert (solicit.type, solicit.client, asked(solicit)) == (R.SOLICIT, DUID, ["::/56"])
    house.hear(lease(A))
    assert house.types() == ["SOLICIT"], "other servers have a second to answer"
    request = house.next()
    assert (request.type, request.server, asked(request)) == (R.REQUEST, SERVER, [str(A)])
    house.hear(lease(A, 1000, 600))
    assert house.given == [(lease(A, 1000, 600),)]
    assert house.exchange.renew_at == house.now + 300, "T1 0: half of the preferred lifetime"
    assert house.exchange.rebind_at == house.now + 480


@pytest.mark.parametrize(
    ("state", "first", "longest"),
    [(state, timing.first, timing.longest) for state, timing in TIMINGS.items()],
)
@given(chance=st.floats(0, 1, exclude_max=True), rounds=st.integers(2, 9))
def test_pauses_double_up_to_the_longest(state, first, longest, chance, rounds):
    """RFC 8415 15."""
    exchange = Exchange(state, 0.0, 0.0, lease=(), renew_at=inf, rebind_at=inf)
    if state is S.REQUESTING:
        exchange = began([], MOMENT).exchange
        house = House(exchange, chance=chance)
        house.next()
        house.hear(lease(A), preference=255)
        house.sent.pop(0)
    else:
        house = House(exchange, chance=chance)
    while len(house.sent) < rounds:
        house.next()
        if house.exchange.state is not state:
            return
    times = [at for at, _ in house.sent]
    pauses = [after - before for before, after in pairwise(times)]
    assert 0.9 * first <= pauses[0] <= 1.1 * first + 1e-9
    assert state is not S.SOLICITING or pauses[0] >= first
    for before, after in pairwise(pauses):
        assert 1.9 * before - 1e-6 <= after <= 2.1 * before + 1e-6 or after >= 0.9 * longest - 1e-6
        assert after <= 1.1 * longest + 1e-6


def test_a_repeated_message_keeps_its_transaction_and_counts_its_time():
    house = House()
    first, second = house.next(), house.next()
    assert first.transaction == second.transaction
    assert (first.elapsed, second.elapsed) == (0, 105)


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        ([(SERVER, 0, [lease(A)]), (OTHER, 9, [lease(B)])], OTHER),
        ([(SERVER, 9, [lease(A)]), (OTHER, 0, [lease(B)])], SERVER),
        ([(SERVER, 0, [lease(A, 100, 0)]), (OTHER, 0, [lease(B)])], OTHER),
        ([(SERVER, 0, [lease(Prefix.parse("2001:db8::/60"))]), (OTHER, 0, [lease(B)])], OTHER),
        ([(SERVER, 0, [lease(A)]), (OTHER, 0, [lease(B)])], SERVER),
        ([(SERVER, 9, [lease(A, 0)]), (OTHER, 0, [lease(B)])], OTHER),
        ([(SERVER, 9, []), (OTHER, 0, [lease(B)])], OTHER),
        ([(SERVER, 0, [lease(A)]), (OTHER, 255, [lease(B)])], OTHER),
    ],
    ids=["preference", "the first", "not deprecated", "as long", "in turn", "valid", "any", "255"],
)
def test_the_best_offer_is_taken(offers, chosen):
    house = House()
    house.next()
    for server, preference, prefixes in offers:
        house.hear(*prefixes, server=server, preference=preference)
    if house.types() == ["SOLICIT"]:
        house.next()
    assert house.sent[-1][1].server == chosen


def test_an_offer_after_the_first_second_is_taken_at_once():
    house = House()
    house.next()
    house.next()
    house.hear(lease(A))
    assert house.types() == ["SOLICIT", "SOLICIT", "REQUEST"]


def test_a_server_without_prefixes_is_left_for_another():
    house = House()
    house.next()
    house.hear(refuses=NONE_LEFT)
    house.hear(lease(B), server=OTHER)
    assert house.next().server == OTHER
    assert house.complaints == [
        f"the DHCPv6 server {SOURCE} has nothing to delegate: NoPrefixAvail: none"
    ]


def test_a_refused_request_goes_to_the_next_offer_and_then_waits():
    house = House()
    house.next()
    house.hear(lease(A), server=SERVER, preference=9)
    house.hear(lease(B), server=OTHER)
    house.next()
    house.hear(refuses=NONE_LEFT)
    assert (house.exchange.state, house.sent[-1][1].server) == (S.REQUESTING, OTHER)
    before = house.now
    house.hear(refuses=NONE_LEFT, server=OTHER)
    assert house.next().type is R.SOLICIT
    assert house.now >= before + HURRY_AFTER, "a server that advertises and refuses is no hot loop"


def test_ten_requests_without_an_answer_end_the_offer():
    house = House()
    house.next()
    house.hear(lease(A), preference=9)
    house.hear(lease(B), server=OTHER)
    house.until(600)
    servers = [message.server for _, message in house.sent if message.type is R.REQUEST]
    assert servers[:20] == [SERVER] * 10 + [OTHER] * 10
    assert house.exchange.state is S.SOLICITING


def test_renew_at_t1_rebind_at_t2_and_kept_until_the_valid_lifetime_ends():
    house = House().bound(lease(A, 1000), t1=100, t2=300)
    start, count = house.now, len(house.sent)
    house.until(start + 1000)
    later = [(round(at - start), message) for at, message in house.sent[count:]]
    assert [message.type for at, message in later if at < 300] == [R.RENEW] * 5
    assert {message.type for at, message in later if 300 <= at < 1000} == {R.REBIND}
    assert all(
        message.server == (SERVER if message.type is R.RENEW else b"")
        for at, message in later
        if at < 1000
    )
    assert later[0][0] == 100
    assert later[-1][0] == 1000
    assert later[-1][1].type is R.SOLICIT
    assert asked(later[-1][1]) == [str(A)], "the same prefix is asked for by name"
    assert len(house.given) == 1, "no end is reported: its lifetime says it"


@pytest.mark.parametrize(
    ("t1", "t2", "leases", "renew", "rebind"),
    [
        (0, 0, [lease(A, 1000, 600)], 300, 480),
        (0, 0, [lease(A, 1000, 0), lease(B, 2000, 1000)], 500, 800),
        (0, 0, [lease(A, 1000, 0)], 500, 800),
        (0, 0, [lease(A, INFINITY)], inf, inf),
        (50, 0, [lease(A, 1000)], 50, 800),
        (900, 0, [lease(A, 1000)], 900, 900),
        (INFINITY, INFINITY, [lease(A, 1000)], inf, inf),
        (1, 2, [lease(A, 1000)], SHORTEST_RENEWAL, SHORTEST_RENEWAL),
    ],
)
def test_t1_and_t2(t1, t2, leases, renew, rebind):
    house = House().bound(*leases, t1=t1, t2=t2)
    times = house.exchange.renew_at - house.now, house.exchange.rebind_at - house.now
    assert times == (renew, rebind)


def test_what_never_ends_is_never_renewed():
    house = House().bound(lease(A, INFINITY))
    assert house.exchange.due_at == inf
    assert house.given == [(lease(A, INFINITY),)]


def test_a_renewal_that_withdraws_begins_anew():
    house = House().bound(lease(A), t1=100)
    house.next()
    house.hear(lease(A, 0))
    assert house.given[-1] == (lease(A, 0),)
    assert house.next().type is R.SOLICIT


def test_a_renewal_that_renumbers_has_both():
    """Make before break: the old one deprecated and first, as servers send it."""
    house = House().bound(lease(A), t1=100)
    house.next()
    house.hear(lease(A, 500, 0), lease(B, 1000))
    assert house.given[-1] == (lease(A, 500, 0), lease(B, 1000))


def test_what_the_same_server_does_not_mention_stays_with_the_rest_of_its_lifetime():
    house = House().bound(lease(A, 1000), t1=100)
    house.next()
    house.hear(lease(B, 1000))
    assert house.given[-1] == (lease(A, 900), lease(B, 1000))


def test_another_server_that_answers_a_rebind_replaces_the_lease():
    house = House().bound(lease(A, 1000), t1=100, t2=200)
    house.until(house.exchange.rebind_at)
    house.hear(lease(B), server=OTHER)
    assert house.given[-1] == (lease(B),)
    assert house.exchange.server == OTHER


@pytest.mark.parametrize("at", ["renew_at", "rebind_at"])
def test_a_server_that_lost_the_lease_is_asked_for_a_new_one(at):
    house = House().bound(lease(A), t1=100, t2=200)
    house.until(getattr(house.exchange, at))
    house.hear(refuses=ServerStatus(Code.NO_BINDING), server=OTHER)
    request = house.sent[-1][1]
    assert (request.type, request.server, asked(request)) == (R.REQUEST, OTHER, [str(A)])
    house.hear(lease(B), server=OTHER)
    assert house.given[-1] == (lease(B),), "the lease of before is nobody's"


def test_a_failure_of_the_server_is_repeated_and_changes_nothing():
    house = House().bound(lease(A), t1=100)
    house.next()
    house.hear(refuses=ServerStatus(Code.UNSPEC_FAIL, "database"))
    assert house.complaints == [f"the DHCPv6 server {SOURCE} refuses: UnspecFail: database"]
    assert house.next().type is R.RENEW
    assert len(house.given) == 1


def test_a_restart_confirms_what_the_repository_says():
    house = House(began([A], MOMENT).exchange)
    rebind = house.next()
    assert (rebind.type, rebind.server, asked(rebind)) == (R.REBIND, b"", [str(A)])
    house.hear(lease(A))
    assert (house.exchange.state, house.given) == (S.BOUND, [(lease(A),)])


def looking(hoped: tuple[Prefix, ...] = ()) -> House:
    return House(began(hoped, MOMENT, takes=False).exchange)


@pytest.mark.parametrize("preference", [0, 255])
def test_who_only_looks_reports_the_offer_and_sends_nothing_but_solicits(preference):
    house = looking((A,))
    for _ in range(3):
        assert house.next().type is R.SOLICIT
        assert asked(house.sent[-1][1]) == [str(A)]
        house.hear(lease(A, 4000), preference=preference)
        house.until(house.now + 2)
        assert house.exchange.state is S.OFFERED
        assert house.exchange.due_at == pytest.approx(house.now + 2000, abs=3)
    assert house.given == [(lease(A, 4000),)] * 3
    assert ended(house.exchange, WISH, house.moment()) is None


def test_who_only_looks_asks_again_when_the_link_or_a_router_changed():
    house = looking()
    house.next()
    house.hear(lease(A)).until(house.now + 2)
    house.take(hurried(house.exchange, house.now))
    assert house.next().type is R.SOLICIT
    house.hear(lease(B)).until(house.now + 2)
    house.take(confirmed(house.exchange, house.moment()))
    assert (house.next().type, asked(house.sent[-1][1])) == (R.SOLICIT, [str(B)])
    house.until(house.now + 5000)
    assert set(house.types()) == {"SOLICIT"}


def test_an_offer_that_nobody_repeats_ends_with_its_lifetime():
    house = looking()
    house.next()
    house.hear(lease(A, 100)).until(house.now + 2)
    house.until(house.now + 200)
    assert (house.exchange.state, house.exchange.lease) == (S.SOLICITING, ())


def test_a_restart_without_an_answer_solicits_by_name():
    house = House(began([A], MOMENT).exchange)
    house.until(12)
    assert set(house.types()) == {"REBIND", "SOLICIT"}
    assert asked(house.sent[-1][1]) == [str(A)]


def test_a_link_that_came_up_confirms_and_keeps_a_lease_that_nobody_confirms():
    house = House().bound(lease(A, 1000), t1=400)
    renew_at = house.exchange.renew_at
    house.take(confirmed(house.exchange, house.moment()))
    house.until(house.now + 15)
    assert (house.exchange.state, house.exchange.due_at) == (S.BOUND, renew_at)
    assert house.types()[-1] == "REBIND"
    fresh = confirmed(began([], MOMENT).exchange, MOMENT)
    assert fresh.exchange.state is S.SOLICITING


def test_an_advertisement_that_changed_renews_at_once_and_rebinds_soon():
    house = House().bound(lease(A, 86400), t1=40000, t2=60000)
    house.take(hurried(house.exchange, house.now))
    at = house.now
    assert house.next().type is R.RENEW
    assert house.now == at
    house.until(at + REBIND_AFTER_HURRY)
    assert house.types()[-1] == "REBIND"
    house.hear(lease(B, 86400), server=OTHER)
    assert house.given[-1] == (lease(B, 86400),)


def test_a_router_that_changes_its_mind_every_second_is_no_flood():
    house = House().bound(lease(A, 86400), t1=40000, t2=60000)
    before = len(house.sent)
    for _ in range(60):
        house.take(hurried(house.exchange, house.now))
        house.until(house.now + 0.1)
        if house.exchange.state is not S.BOUND:
            house.hear(lease(A, 86400), t1=40000, t2=60000)
        house.until(house.now + 0.9)
    assert len(house.sent) - before <= 60 / HURRY_AFTER + 1


def test_an_advertisement_ends_the_patience_of_a_solicit():
    house = House()
    house.until(4000)
    assert house.exchange.due_at > 4050
    house.take(hurried(house.exchange, house.now))
    assert house.exchange.due_at == house.now
    requesting = House()
    requesting.next()
    requesting.hear(lease(A), preference=255)
    requesting.take(hurried(requesting.exchange, requesting.now))
    assert requesting.exchange.state is S.REQUESTING


@pytest.mark.parametrize("said", [300, 59, 86401])
def test_a_server_may_shorten_the_longest_pause(said):
    """RFC 8415 21.24: 60 to 86400 seconds count."""
    house = House()
    house.next()
    house.hear(refuses=NONE_LEFT, max_solicit=said)
    house.until(20000)
    pause = house.sent[-1][0] - house.sent[-2][0]
    assert (pause <= 330) is (said == 300)


@pytest.mark.parametrize(
    "foreign",
    [
        {"transaction": 5},
        {"client": b"\0\4other"},
        {"client": b""},
        {"server": b""},
        {"type": R.REPLY},
    ],
    ids=repr,
)
def test_what_is_for_another_is_ignored_in_silence(foreign):
    house = House()
    house.next()
    before = house.exchange
    house.hear(lease(A), **foreign)
    assert (house.exchange, house.complaints) == (before, [])


@pytest.mark.parametrize(
    ("believed", "counts"),
    [
        ((), True),
        ((SOURCE,), True),
        ((SERVER.hex(":"),), True),
        (("fe80::2", OTHER.hex(":")), False),
    ],
)
def test_only_named_servers_are_believed(believed, counts):
    house = House(wish=WISH._replace(servers=believed))
    house.next()
    house.hear(lease(A), preference=255)
    assert (house.types()[-1] == "REQUEST") is counts
    assert bool(house.complaints) is not counts


def test_an_answer_without_our_association_is_reported():
    house = House()
    house.next()
    house.hear(associations=(Association(8, prefixes=(lease(A),)),))
    assert house.complaints == [f"the DHCPv6 server {SOURCE} answered without a usable IA_PD"]
    house.hear(associations=(), status=NONE_LEFT)
    assert "NoPrefixAvail" in house.complaints[-1]
    house = House().bound(lease(A), t1=100)
    house.next()
    house.hear()
    assert house.complaints == [f"the DHCPv6 server {SOURCE} answered without a prefix"]


def test_a_release_names_the_lease():
    house = House().bound(lease(A))
    release = ended(house.exchange, WISH, house.moment())
    assert release is not None
    assert (release.type, release.server, asked(release)) == (R.RELEASE, SERVER, [str(A)])
    assert ended(began([A], MOMENT).exchange, WISH, MOMENT) is None


steps = st.lists(
    st.one_of(
        st.tuples(st.just("silence"), st.floats(0.1, 3000)),
        st.tuples(st.just("hurry"), st.just(0.0)),
        st.tuples(st.just("link"), st.just(0.0)),
        st.tuples(
            st.just("answer"),
            st.tuples(
                st.lists(
                    st.builds(
                        lease, st.sampled_from([A, B]), st.sampled_from([0, 5, 900, INFINITY])
                    ),
                    max_size=2,
                    unique_by=lambda each: each.prefix,
                ),
                st.sampled_from([None, *Code]),
                st.sampled_from([SERVER, OTHER]),
                st.sampled_from([0, 60, INFINITY]),
            ),
        ),
    ),
    max_size=25,
)


@given(steps, st.sampled_from([(), (A,)]), st.floats(0, 1, exclude_max=True))
def test_whatever_happens_it_goes_on_and_asks_in_measure(steps, hoped, chance):
    house = House(began(hoped, MOMENT).exchange, chance=chance)
    for kind, what in steps:
        if kind == "silence":
            house.until(house.now + what)
        elif kind == "hurry":
            house.take(hurried(house.exchange, house.now))
        elif kind == "link":
            house.take(confirmed(house.exchange, house.moment()))
        elif house.sent:
            prefixes, code, server, t1 = what
            refuses = {} if code is None else {"refuses": ServerStatus(code)}
            house.hear(*prefixes, server=server, t1=t1, **refuses)
        exchange = house.exchange
        assert exchange.due_at < inf or exchange.state is S.BOUND
        assert exchange.state is not S.BOUND or exchange.lease
        assert all(leased.delegated.valid for leased in exchange.lease)
    # Each step may ask at once; time alone asks at the pace of the RFC.
    assert len(house.sent) <= 3 * len(steps) + house.now / 2 + 12
