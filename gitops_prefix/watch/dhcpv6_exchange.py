"""Prefix delegation as a state machine (RFC 8415 18.2), without I/O, clock or chance.

`Exchange` is a value: `began`, `confirmed`, `hurried`, `due` and `heard` return a Turn, which has
the next value, the message to send, and what to report. `ended` returns the Release. Times are
seconds of a clock that only goes forward. A random number and a transaction id are arguments
(`TurnTime`).

| state | sends | timers | ends |
|---|---|---|---|
| SOLICITING | Solicit | SOL_* | an Advertise is chosen, by preference |
| REQUESTING | Request | REQ_* | Reply; after REQ_MAX_RC the next offer, else SOLICITING |
| CONFIRMING | Rebind | CNF_* (18.2.12) | Reply; after CNF_MAX_RD the lease stands |
| BOUND | | T1 | RENEWING |
| RENEWING | Renew | REN_* until T2 | Reply, REBINDING |
| REBINDING | Rebind | REB_* until the last valid lifetime ends | Reply, SOLICITING |
| OFFERED | | T1 | SOLICITING |

Who only looks (`takes` is False) never sends anything but a Solicit: the offer that would be
requested is reported, and asked for again at T1.

A restart, and a link that came up, begin with CONFIRMING.

The lease stands until its valid lifetimes end, not until T2: a server that is away renumbers
nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import NamedTuple

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


class ExchangeState(StrEnum):
    """What an exchange is at. The text is shown to users."""

    SOLICITING = "soliciting"
    REQUESTING = "requesting"
    CONFIRMING = "confirming"
    BOUND = "bound"
    RENEWING = "renewing"
    REBINDING = "rebinding"
    OFFERED = "offered, and not taken"


class TurnTime(NamedTuple):
    """When a turn is made, and what nobody can foresee.

    Attributes:
        now: seconds.
        chance: 0 up to 1.
        transaction: 24 bits, for the next message.
    """

    now: float
    chance: float
    transaction: int


class Letter(NamedTuple):
    """A message, and the address that it came from."""

    message: Dhcpv6Message
    source: str


class DelegationWish(NamedTuple):
    """What is asked for, and who is believed.

    Attributes:
        iaid: 32 bits; of this delegation among those of the client.
        duid: the client's.
        length: the hint for the length of the prefix.
        servers: link-local sources and DUIDs ("00:01:…") that are believed; empty is all.
    """

    iaid: int
    duid: bytes
    length: int
    servers: tuple[str, ...] = ()


class Timing(NamedTuple):
    """How a message is repeated (RFC 8415 15), in seconds. 0 is no limit.

    Attributes:
        first: IRT.
        longest: MRT.
        most: MRC.
    """

    first: float
    longest: float
    most: int = 0


TIMINGS = {  # RFC 8415 7.6
    ExchangeState.SOLICITING: Timing(1, 3600),
    ExchangeState.REQUESTING: Timing(1, 30, 10),
    ExchangeState.CONFIRMING: Timing(1, 4),
    ExchangeState.RENEWING: Timing(10, 600),
    ExchangeState.REBINDING: Timing(10, 600),
}
CONFIRM_FOR = 10.0
"""CNF_MAX_RD: how long a lease is confirmed before it stands unconfirmed."""
SOLICIT_DELAY = 1.0
"""SOL_MAX_DELAY: the first Solicit waits up to this long, so that a house does not ask at once."""
SHORTEST_RENEWAL = 3.0
"""The least T1: a server that says less would have us ask without a pause."""
HURRY_AFTER = 10.0
"""Between two exchanges that an advertisement asked for: REN_TIMEOUT."""
REBIND_AFTER_HURRY = 30.0
"""Seconds that the server of the lease has to answer after an advertisement changed."""
_MESSAGES = {
    ExchangeState.SOLICITING: MessageType.SOLICIT,
    ExchangeState.REQUESTING: MessageType.REQUEST,
    ExchangeState.CONFIRMING: MessageType.REBIND,
    ExchangeState.RENEWING: MessageType.RENEW,
    ExchangeState.REBINDING: MessageType.REBIND,
}
_SOLICITING = ExchangeState.SOLICITING
_AT_REST = {ExchangeState.BOUND, ExchangeState.OFFERED}
_TO_ONE_SERVER = {ExchangeState.REQUESTING, ExchangeState.RENEWING}
MOST_OFFERS = 16
BEST_SERVER = 255
"""The preference of a server that is asked at once (RFC 8415 18.2.1)."""


class LeasedPrefix(NamedTuple):
    """A prefix as a Reply delegated it."""

    delegated: DelegatedPrefix
    since: float

    @property
    def valid_until(self) -> float:
        """When its valid lifetime ends; inf if never."""
        return _after(self.since, self.delegated.valid)

    def left(self, now: float) -> DelegatedPrefix:
        """The same, with the lifetimes that are left at `now`."""
        preferred, valid = (
            lifetime if lifetime == INFINITY else max(0, round(lifetime - (now - self.since)))
            for lifetime in (self.delegated.preferred, self.delegated.valid)
        )
        return self.delegated._replace(preferred=preferred, valid=valid)


class ServerOffer(NamedTuple):
    """What an Advertise offers.

    Attributes:
        prefixes: those that would be valid.
        status: why there are none.
    """

    server: bytes
    preference: int
    prefixes: tuple[DelegatedPrefix, ...]
    status: ServerStatus

    @classmethod
    def of(cls, message: Dhcpv6Message, association: Association) -> "ServerOffer":
        """The offer of an Advertise."""
        prefixes = tuple(each for each in association.prefixes if each.valid)
        return cls(message.server, message.preference, prefixes, association.status)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One delegation between two messages.

    Attributes:
        since: when the state began: Elapsed Time counts from then.
        due_at: when `due` has something to do; inf if never.
        transaction: of the message that was sent last.
        sent: how many messages of this state were sent.
        pause: RT, the seconds until the message is repeated.
        offers: the Advertises of this state, the best first.
        server: the DUID of the server that is asked.
        hoped: prefixes that are asked for by name, without a lease.
        lease: what was delegated.
        renew_at: T1.
        rebind_at: T2.
        longest_solicit: SOL_MAX_RT.
        hurried_at: when an advertisement last asked for an exchange.
        takes: whether an offer is taken. If not, `lease` is what was offered.
    """

    state: ExchangeState
    since: float
    due_at: float
    transaction: int = 0
    sent: int = 0
    pause: float = 0.0
    offers: tuple[ServerOffer, ...] = ()
    server: bytes = b""
    hoped: tuple[Prefix, ...] = ()
    lease: tuple[LeasedPrefix, ...] = ()
    renew_at: float = inf
    rebind_at: float = inf
    longest_solicit: float = TIMINGS[ExchangeState.SOLICITING].longest
    hurried_at: float = -inf
    takes: bool = True

    @property
    def ends_at(self) -> float:
        """When the last valid lifetime of the lease ends; -inf without a lease."""
        return max((leased.valid_until for leased in self.lease), default=-inf)


class Turn(NamedTuple):
    """What follows.

    Attributes:
        send: the message to send now.
        delegated: what to report: every prefix, also those that were withdrawn (valid lifetime
            0); None if nothing is new.
        complaint: why an answer did not count, or what a server refused.
    """

    exchange: Exchange
    send: Dhcpv6Message | None = None
    delegated: tuple[DelegatedPrefix, ...] | None = None
    complaint: str = ""


def began(hoped: Iterable[Prefix], moment: TurnTime, *, takes: bool = True) -> Turn:
    """Begin: confirm what the repository says is current, or solicit (RFC 8415 18.2.12)."""
    hoped = tuple(hoped)
    state = ExchangeState.CONFIRMING if hoped and takes else ExchangeState.SOLICITING
    due_at = moment.now + moment.chance * SOLICIT_DELAY
    return Turn(Exchange(state, moment.now, due_at, hoped=hoped, takes=takes))


def confirmed(exchange: Exchange, moment: TurnTime) -> Turn:
    """The link came up again, maybe to another router: is the lease still right?"""
    if not (exchange.lease and exchange.takes):
        return began(_hoped(exchange), moment, takes=exchange.takes)
    due_at = moment.now + moment.chance * SOLICIT_DELAY
    return Turn(_enter(exchange, ExchangeState.CONFIRMING, moment.now, due_at))


def hurried(exchange: Exchange, now: float) -> Turn:
    """A Router Advertisement changed its prefixes: ask now, and not at T1.

    A router that got another delegation says so on the link at once, and by DHCPv6 only when it
    is asked (Reconfigure needs a key that few have).
    """
    if now < exchange.hurried_at + HURRY_AFTER:
        return Turn(exchange)
    if exchange.state is ExchangeState.BOUND:
        # A router that was replaced never answers a Renew, so the other servers are asked soon.
        rebind_at = min(exchange.rebind_at, now + REBIND_AFTER_HURRY)
        exchange = _enter(exchange, ExchangeState.RENEWING, now, now)
        exchange = replace(exchange, rebind_at=rebind_at)
    elif exchange.state in {ExchangeState.SOLICITING, ExchangeState.OFFERED}:
        exchange = _enter(exchange, ExchangeState.SOLICITING, now, now)
    else:
        exchange = replace(exchange, due_at=min(exchange.due_at, now))
    return Turn(replace(exchange, hurried_at=now))


def ended(exchange: Exchange, wish: DelegationWish, moment: TurnTime) -> Dhcpv6Message | None:
    """The Release of the lease (RFC 8415 18.2.7), or None without one."""
    if not (exchange.lease and exchange.takes):
        return None
    prefixes = tuple(leased.delegated._replace(preferred=0, valid=0) for leased in exchange.lease)
    return Dhcpv6Message(
        MessageType.RELEASE,
        moment.transaction,
        wish.duid,
        exchange.server,
        (Association(wish.iaid, prefixes=prefixes),),
        elapsed=0,
    )


def due(exchange: Exchange, wish: DelegationWish, moment: TurnTime) -> Turn:
    """Do what `due_at` is for: send, repeat, or change the state."""
    exchange = _moved(exchange, moment.now)
    if exchange.state in _AT_REST or moment.now < exchange.due_at:
        return Turn(exchange)
    if exchange.state is ExchangeState.SOLICITING and exchange.offers:
        return _chosen(exchange, wish, moment)
    return _send(exchange, wish, moment)


def _moved(exchange: Exchange, now: float) -> Exchange:
    """The exchange in the state that the time has brought."""
    if exchange.lease and now >= exchange.ends_at:
        return _soliciting(exchange, now)
    match exchange.state:
        case ExchangeState.BOUND | ExchangeState.RENEWING if now >= exchange.rebind_at:
            exchange = _enter(exchange, ExchangeState.REBINDING, now, now)
        case ExchangeState.OFFERED if now >= exchange.renew_at:
            exchange = _enter(exchange, ExchangeState.SOLICITING, now, now)
        case ExchangeState.BOUND if now >= exchange.renew_at:
            exchange = _enter(exchange, ExchangeState.RENEWING, now, now)
        case ExchangeState.REQUESTING if _spent(exchange) and now >= exchange.due_at:
            exchange = _refused_by(exchange, now)
        case ExchangeState.CONFIRMING if now >= exchange.since + CONFIRM_FOR:
            exchange = _bound(exchange) if exchange.lease else _soliciting(exchange, now)
        case _:
            pass
    return exchange


def _spent(exchange: Exchange) -> bool:
    """Whether the message was sent as often as it may be (MRC)."""
    return exchange.sent >= TIMINGS[exchange.state].most


def _send(exchange: Exchange, wish: DelegationWish, moment: TurnTime) -> Turn:
    """Send the message of the state, and set the time of the next (RFC 8415 15)."""
    timing = TIMINGS[exchange.state]
    longest = (
        exchange.longest_solicit if exchange.state is ExchangeState.SOLICITING else timing.longest
    )
    now, jitter = moment.now, moment.chance * 0.2 - 0.1
    if exchange.sent:
        pause = (2 + jitter) * exchange.pause
        pause = pause if pause <= longest else (1 + jitter) * longest
    else:
        # RFC 8415 18.2.1: the first pause of a Solicit is longer than IRT, to collect Advertises.
        jitter = (1 - moment.chance) * 0.1 if exchange.state is _SOLICITING else jitter
        pause = (1 + jitter) * timing.first
    # A repeated message keeps its transaction id (RFC 8415 16.1).
    transaction = exchange.transaction if exchange.sent else moment.transaction
    due_at = min(now + pause, *_limits(exchange))
    exchange = replace(
        exchange, sent=exchange.sent + 1, pause=pause, transaction=transaction, due_at=due_at
    )
    message = Dhcpv6Message(
        _MESSAGES[exchange.state],
        transaction,
        wish.duid,
        exchange.server if exchange.state in _TO_ONE_SERVER else b"",
        (Association(wish.iaid, prefixes=_asked(exchange, wish)),),
        elapsed=round((now - exchange.since) * 100),
    )
    return Turn(exchange, message)


def _limits(exchange: Exchange) -> tuple[float, float]:
    """When the state ends though nothing is heard, and when the lease does."""
    ends = {
        ExchangeState.RENEWING: exchange.rebind_at,
        ExchangeState.CONFIRMING: exchange.since + CONFIRM_FOR,
    }
    return ends.get(exchange.state, inf), exchange.ends_at if exchange.lease else inf


def _asked(exchange: Exchange, wish: DelegationWish) -> tuple[DelegatedPrefix, ...]:
    """The prefixes that a message names; the lifetimes of a client are only hints: 0."""
    named = [leased.delegated.prefix for leased in exchange.lease]
    if exchange.state is ExchangeState.REQUESTING and exchange.offers:
        named = [delegated.prefix for delegated in exchange.offers[0].prefixes]
    # RFC 8415 18.2.4: an unspecified prefix with a length is the hint.
    hint = Prefix(0, wish.length)
    return tuple(DelegatedPrefix(prefix, 0, 0) for prefix in (named or exchange.hoped or (hint,)))


def heard(exchange: Exchange, wish: DelegationWish, letter: Letter, moment: TurnTime) -> Turn:
    """Take in a message of a server.

    Returns:
        The exchange unchanged if the message is another's, or late.
    """
    message = letter.message
    expected = MessageType.ADVERTISE if exchange.state is _SOLICITING else MessageType.REPLY
    if (
        message.type is not expected
        or not exchange.sent
        or message.transaction != exchange.transaction
        or message.client != wish.duid
        or not message.server
    ):
        return Turn(exchange)
    who = f"the DHCPv6 server {letter.source}"
    if wish.servers and not {letter.source, message.server.hex(":")} & set(wish.servers):
        return Turn(exchange, complaint=f"{who} is not in `servers`")
    association = next((each for each in message.associations if each.iaid == wish.iaid), None)
    if message.status.refuses:
        association = Association(wish.iaid, status=message.status)
    if association is None:
        return Turn(exchange, complaint=f"{who} answered without a usable IA_PD")
    if message.max_solicit is not None and 60 <= message.max_solicit <= 86400:
        # RFC 8415 21.24: other values are ignored.
        exchange = replace(exchange, longest_solicit=float(message.max_solicit))
    if message.type is MessageType.ADVERTISE:
        return _offered(exchange, wish, ServerOffer.of(message, association), moment, who)
    turn = _replied(exchange, message.server, association, moment.now, who)
    if turn.exchange.state is ExchangeState.REQUESTING and turn.exchange.due_at <= moment.now:
        return _send(turn.exchange, wish, moment)._replace(complaint=turn.complaint)
    return turn


def _offered(
    exchange: Exchange, wish: DelegationWish, offer: ServerOffer, moment: TurnTime, who: str
) -> Turn:
    if offer.status.refuses or not offer.prefixes:
        words = offer.status if offer.status.refuses else "no prefix"
        return Turn(exchange, complaint=f"{who} has nothing to delegate: {words}")
    offers = [other for other in exchange.offers if other.server != offer.server]
    offers.append(offer)
    offers.sort(key=lambda each: _order(each, wish))
    exchange = replace(exchange, offers=tuple(offers[:MOST_OFFERS]))
    # RFC 8415 18.2.9: 255 is chosen at once, and so is any offer after the first second.
    if offer.preference == BEST_SERVER or exchange.sent > 1:
        return _chosen(exchange, wish, moment)
    return Turn(exchange)


def _chosen(exchange: Exchange, wish: DelegationWish, moment: TurnTime) -> Turn:
    """Request the best offer, or only report it."""
    if exchange.takes:
        return _send(_requesting(exchange, moment.now), wish, moment)
    offer, now = exchange.offers[0], moment.now
    offered = tuple(LeasedPrefix(each, now) for each in offer.prefixes)
    renew_at, rebind_at = _times(Association(wish.iaid), offered, now)
    exchange = replace(exchange, server=offer.server, lease=offered, hoped=())
    exchange = replace(exchange, renew_at=renew_at, rebind_at=rebind_at)
    return Turn(_resting(exchange, ExchangeState.OFFERED), None, offer.prefixes)


def _order(offer: ServerOffer, wish: DelegationWish) -> tuple[int, bool, bool]:
    """The preference; then a prefix that is not deprecated; then one as long as was asked for."""
    preferred = [each for each in offer.prefixes if each.preferred]
    fits = any(each.prefix.length == wish.length for each in preferred)
    return -offer.preference, not preferred, not fits


def _replied(
    exchange: Exchange, server: bytes, association: Association, now: float, who: str
) -> Turn:
    status = association.status
    if status.code == Code.NO_BINDING and exchange.state is not ExchangeState.REQUESTING:
        # RFC 8415 18.2.10.1: the server does not know the lease; a Request makes one.
        exchange = replace(exchange, server=server, offers=())
        requesting = _enter(exchange, ExchangeState.REQUESTING, now, now)
        return Turn(requesting, complaint=f"{who} does not know the lease: {status}")
    if status.refuses:
        complaint = f"{who} refuses: {status}"
        if exchange.state is ExchangeState.REQUESTING and status.code != Code.UNSPEC_FAIL:
            return Turn(_refused_by(exchange, now), complaint=complaint)
        # The message is repeated as if nothing had been heard (RFC 8415 18.2.10).
        return Turn(exchange, complaint=complaint)
    said = {each.prefix: LeasedPrefix(each, now) for each in association.prefixes}
    if not said:
        return Turn(exchange, complaint=f"{who} answered without a prefix")
    # RFC 8415 18.2.10.1: a prefix that a Reply does not mention stays. Not so if another server
    # answers, or a Request made a new lease: then the old lease is nobody's.
    renewed = server == exchange.server and exchange.state is not ExchangeState.REQUESTING
    kept = {
        each.delegated.prefix: each for each in exchange.lease if renewed and now < each.valid_until
    }
    lease = tuple(each for each in {**kept, **said}.values() if each.delegated.valid)
    gone = tuple(each.delegated for each in said.values() if not each.delegated.valid)
    delegated = (*(each.left(now) for each in lease), *gone)
    exchange = replace(exchange, lease=lease, server=server, offers=(), hoped=())
    if not lease:
        return Turn(_soliciting(exchange, now), None, delegated, f"{who} withdrew the delegation")
    renew_at, rebind_at = _times(association, lease, now)
    return Turn(_bound(replace(exchange, renew_at=renew_at, rebind_at=rebind_at)), None, delegated)


def _times(
    association: Association, lease: tuple[LeasedPrefix, ...], now: float
) -> tuple[float, float]:
    """T1 and T2; where the server leaves them to us, 0.5 and 0.8 of the shortest lifetime.

    RFC 8415 14.2 and 21.21. A deprecated prefix does not shorten them, unless all are.
    """
    lifetimes = [each.delegated.preferred for each in lease if each.delegated.preferred]
    shortest = min(lifetimes or [each.delegated.valid for each in lease])
    renew_after = _after(0.0, association.renew_after) or _after(0.0, shortest) * 0.5
    rebind_after = _after(0.0, association.rebind_after) or _after(0.0, shortest) * 0.8
    renew_after = max(renew_after, SHORTEST_RENEWAL)
    return now + renew_after, now + max(rebind_after, renew_after)


def _requesting(exchange: Exchange, now: float) -> Exchange:
    """Ask the server of the best offer."""
    exchange = replace(exchange, server=exchange.offers[0].server)
    return _enter(exchange, ExchangeState.REQUESTING, now, now)


def _refused_by(exchange: Exchange, now: float) -> Exchange:
    """The server of the best offer does not delegate: the next one, or from the start."""
    rest = replace(exchange, offers=exchange.offers[1:])
    if rest.offers:
        return _requesting(rest, now)
    # Not at once: a server that advertises and then refuses would have us ask without a pause.
    return replace(_soliciting(rest, now), due_at=now + HURRY_AFTER)


def _soliciting(exchange: Exchange, now: float) -> Exchange:
    exchange = replace(exchange, offers=(), server=b"", renew_at=inf, rebind_at=inf)
    exchange = replace(exchange, lease=(), hoped=_hoped(exchange))
    return _enter(exchange, ExchangeState.SOLICITING, now, now)


def _hoped(exchange: Exchange) -> tuple[Prefix, ...]:
    """What a Solicit asks for by name: the lease that ended, or the prefix of the repository."""
    return tuple(each.delegated.prefix for each in exchange.lease) or exchange.hoped


def _bound(exchange: Exchange) -> Exchange:
    return _resting(exchange, ExchangeState.BOUND)


def _resting(exchange: Exchange, state: ExchangeState) -> Exchange:
    due_at = min(exchange.renew_at, exchange.ends_at)
    return replace(exchange, state=state, due_at=due_at, sent=0, offers=())


def _enter(exchange: Exchange, state: ExchangeState, now: float, due_at: float) -> Exchange:
    offers = exchange.offers if state is ExchangeState.REQUESTING else ()
    return replace(exchange, state=state, since=now, due_at=due_at, sent=0, offers=offers)


def _after(now: float, lifetime: int) -> float:
    return inf if lifetime == INFINITY else now + lifetime
