"""How a DynamicPrefix moves from one prefix to the next.

`settle` makes a status agree with its specification; it reads no clock, so a
laptop and a CI job get the same bytes whenever they ask. `advance` takes an
observation and the time as well.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from math import isinf
from typing import NamedTuple

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import BITS, USUAL_LENGTH, Prefix
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Condition, PastPrefix, PrefixSource, Status


class Choice(NamedTuple):
    """The prefix that is current by observation.

    Attributes:
        prefix: the current one, or None when nothing was observed: the status
            then stands (fail static).
        source: where it was learnt.
        valid_for: seconds for which each prefix that is still advertised stays
            valid; None when nobody watches, as in `render --prefix`, or nobody
            was heard yet.
        ends_in: seconds until the last advertised valid lifetime of each prefix that
            is remembered ends, advertised still or not; not above 0 once it has.
        router: whose advertisement decided, when the prefix is announced now.
    """

    prefix: Prefix | None
    source: PrefixSource = PrefixSource.ROUTER_ADVERTISEMENT
    valid_for: tuple[tuple[Prefix, float], ...] | None = None
    ends_in: tuple[tuple[Prefix, float], ...] = ()
    router: Router | None = None

    def still_valid(self, prefix: Prefix) -> float | None:
        """Seconds for which `prefix` is advertised as valid, or None if it is not."""
        return dict(self.valid_for or ()).get(prefix)

    def lifetime_left(self, prefix: Prefix) -> float | None:
        """Seconds until its last advertised valid lifetime ends, or None if unknown."""
        return {**dict(self.valid_for or ()), **dict(self.ends_in)}.get(prefix)

    def gone(self, prefix: Prefix) -> bool:
        """Whether it is known that no router advertises `prefix` any more."""
        return self.valid_for is not None and self.still_valid(prefix) is None


NOTHING_OBSERVED = Choice(None, PrefixSource.UNKNOWN)

UNKNOWN_LIFETIME = timedelta(seconds=2_592_000)
"""What a past prefix has left when nothing was heard: the default of routers, and far above
what RFC 9096 lets them use (AdvValidLifetime, RFC 4861 6.2.1). Infinity counts so too,
once no router is there to ask."""


def advance(
    specification: Specification, status: Status | None, choice: Choice, now: datetime
) -> Status | None:
    """The status after `choice` was observed at `now`.

    * An equal prefix, or none, keeps the current one, and its source. Only an HTTP update is noted
      as the source: it is not sent again after a restart, so the status has to remember it.
    * Another prefix takes its place; the old one goes to the front of the history.
    * What time ends, ends: retention, and the DNS delay.

    Returns:
        The new status (equal to the old one when nothing changed), or None while
        no prefix was ever acquired.

    Raises:
        ValueError: a range or subnet of the specification does not fit the prefix.
    """
    now = now.replace(microsecond=0)
    prefix = choice.prefix or (status.current if status else None)
    if prefix is None:
        return None
    if status is None:
        after = Status(prefix, choice.source, now)
    elif prefix != status.current:
        after = _change(specification, status, choice, prefix, now)
    elif _is_update(choice) and status.source is not choice.source:
        after = replace(status, source=choice.source)
    else:
        after = status
    after = _fit(specification, _expire(specification, after, choice, now))
    return status if status and after.same_decision(status) else _with_conditions(after, now)


def _is_update(choice: Choice) -> bool:
    """Whether an HTTP update says the prefix, and not only the status."""
    return choice.source is PrefixSource.WEBHOOK and choice.router is not None


def settle(specification: Specification, status: Status, now: datetime | None = None) -> Status:
    """The status with ranges, subnets and history length as the specification has them.

    Args:
        specification: what it must agree with.
        status: any status of this DynamicPrefix.
        now: when conditions turned true that the status does not have yet.

    Raises:
        ValueError: a range or subnet does not fit the prefix.
    """
    settled = _fit(specification, status)
    return status if settled.same_decision(status) else _with_conditions(settled, now)


def imagine(specification: Specification, number: int = 0) -> Status | None:
    """A status in a made-up prefix, to try what is asked of the real one.

    Args:
        specification: what it must agree with.
        number: distinguishes the prefixes of several DynamicPrefixes.

    Returns:
        None when a range or subnet fits prefixes of other lengths alone.
    """
    prefix = Prefix(number << (BITS - USUAL_LENGTH), USUAL_LENGTH)
    try:
        return _fit(specification, Status(prefix, PrefixSource.UNKNOWN, None))
    except ValueError:
        return None


def imagined_prefix(specification: Specification, length: int, number: int) -> Prefix:
    """A made-up prefix, one of each number, that no repository holds addresses of.

    3ffe::/16 was returned to IANA (RFC 3701). No two of them are in one delegation.
    """
    delegated = specification.acquisition.delegated_length or length
    network = (0x3FFE << 112) + (number + 1 << BITS - min(48, length, delegated))
    return Prefix.enclosing(network % (1 << BITS), length)


def _fit(specification: Specification, status: Status) -> Status:
    base = specification.base(status.current)
    history = status.history[: specification.transition.max_prefix_history]
    kept = {past.prefix for past in history}
    return replace(
        status,
        ranges=tuple(
            named.within(named.subnet.within(base).cidr if named.subnet else status.current)
            for named in specification.ranges
        ),
        subnets=tuple(subnet.within(base) for subnet in specification.subnets),
        history=history,
        dns_prefix=status.dns_prefix if status.dns_prefix in kept else None,
    )


def _change(
    specification: Specification, status: Status, choice: Choice, prefix: Prefix, now: datetime
) -> Status:
    if status.acquired_at is not None:
        # A calendar that was set back must not end a prefix before it began: the order of
        # these times is the order of what happened, also to `replay`.
        now = max(now, status.acquired_at)
    outgoing = PastPrefix(
        status.current,
        acquired_at=status.acquired_at,
        deprecated_at=now,
        valid_until=_valid_until(specification, choice, status.current, now),
    )
    rest = (past for past in status.history if past.prefix != prefix)
    return replace(
        status,
        current=prefix,
        source=choice.source,
        acquired_at=now,
        history=(outgoing, *rest),
        dns_prefix=status.dns_target if _delays_dns(specification) else None,
    )


def _delays_dns(specification: Specification) -> bool:
    transition = specification.transition
    return transition.mode == "ha" and transition.dns_delay > timedelta(0)


def _valid_until(
    specification: Specification, choice: Choice, prefix: Prefix, now: datetime
) -> datetime | None:
    seconds = choice.lifetime_left(prefix)
    if specification.transition.retention != "lifetime" or seconds is None or isinf(seconds):
        return None
    return now + timedelta(seconds=int(seconds))


def _expire(specification: Specification, status: Status, choice: Choice, now: datetime) -> Status:
    history = tuple(
        past for past in status.history if not _is_over(specification, past, choice, now)
    )
    return replace(
        status,
        history=history,
        dns_prefix=None if _dns_moves(specification, status, choice, now) else status.dns_prefix,
    )


def _is_over(specification: Specification, past: PastPrefix, choice: Choice, now: datetime) -> bool:
    retention = specification.transition.retention
    if retention == "lifetime":
        # A router that announced it since, if only as deprecated, has set another end.
        seconds = choice.lifetime_left(past.prefix)
        if seconds is not None:
            return seconds <= 0
        ends = _ends_at(past)
        return ends is not None and now >= ends
    return (
        retention is not None
        and past.deprecated_at is not None
        and now >= past.deprecated_at + retention
    )


def _ends_at(past: PastPrefix) -> datetime | None:
    """When the lifetime of a past prefix ends, as far as the status says."""
    if past.valid_until is not None or past.deprecated_at is None:
        return past.valid_until
    return past.deprecated_at + UNKNOWN_LIFETIME


def _dns_moves(specification: Specification, status: Status, choice: Choice, now: datetime) -> bool:
    if status.dns_prefix is None or status.dns_prefix == status.current:
        return True
    if not _delays_dns(specification) or choice.gone(status.dns_prefix):
        return True
    delay = specification.transition.dns_delay
    return status.acquired_at is None or now >= status.acquired_at + delay


def due(
    specification: Specification, status: Status, choice: Choice = NOTHING_OBSERVED
) -> datetime | None:
    """When time alone next changes this status, or None.

    A lifetime that `choice` knows ends by the clock of the observations, and is
    not returned here.
    """
    transition = specification.transition
    moments = [
        _ends_at(past) for past in status.history if choice.lifetime_left(past.prefix) is None
    ]
    if isinstance(transition.retention, timedelta):
        moments = [
            past.deprecated_at + transition.retention
            for past in status.history
            if past.deprecated_at is not None
        ]
    elif transition.retention is None:
        moments = []
    if status.dns_prefix is not None and status.acquired_at is not None:
        moments.append(status.acquired_at + transition.dns_delay)
    return min((moment for moment in moments if moment is not None), default=None)


def _with_conditions(status: Status, now: datetime | None) -> Status:
    """The status with the conditions of a decision that was just made."""
    before = status.conditions
    since = {c.type: c.last_transition_time for c in before if c.status == "True"}
    fresh = now or status.acquired_at
    ours = (
        Condition(
            "PrefixAcquired",
            "True",
            "PrefixAcquired",
            f"{status.current} was learnt by {status.source.value}",
            since.get("PrefixAcquired", fresh),
        ),
        Condition(
            "PoolsSynced",
            "True",
            "Synced",
            f"the manifests of this commit hold {status.current}",
            since.get("PoolsSynced", fresh),
        ),
    )
    names = {condition.type for condition in ours}
    foreign = (condition for condition in before if condition.type not in names)
    return replace(status, conditions=(*ours, *foreign))


def replay(
    specification: Specification, status: Status | None, unpublished: Status
) -> Status | None:
    """The status of the new tip, after what the unpublished one went through.

    Args:
        specification: as the new tip has it.
        status: as the new tip has it.
        unpublished: as our dropped commit had it.

    Returns:
        The new status; `status` itself when it knows as much already.

    Raises:
        ValueError: a range or subnet of the specification does not fit a prefix.
    """
    for moment, prefix in _missing(status, unpublished):
        status = advance(specification, status, Choice(prefix, unpublished.source), moment)
        status = status and _with_lifetimes(status, unpublished)
    return status


def _missing(status: Status | None, unpublished: Status) -> list[tuple[datetime, Prefix]]:
    """The steps that the new tip does not have, oldest first."""
    steps = _steps(unpublished)
    if status is None or status.acquired_at is None:
        return steps
    reached = (status.acquired_at, status.current)
    if reached in steps:
        # Times are whole seconds: what followed within the same one counts too.
        return steps[steps.index(reached) + 1 :]
    return [step for step in steps if step[0] > status.acquired_at]


def _with_lifetimes(status: Status, unpublished: Status) -> Status:
    """What was advertised of a past prefix: a replayed change has no router to ask."""
    known = {past.prefix: past.valid_until for past in unpublished.history}
    history = tuple(
        replace(past, valid_until=past.valid_until or known.get(past.prefix))
        for past in status.history
    )
    return replace(status, history=history)


def _steps(status: Status) -> list[tuple[datetime, Prefix]]:
    """When each prefix became current, oldest first, as far as it is known."""
    acquired = [(past.acquired_at, past.prefix) for past in reversed(status.history)]
    acquired.append((status.acquired_at, status.current))
    return [(moment, prefix) for moment, prefix in acquired if moment is not None]
