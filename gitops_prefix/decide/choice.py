"""The result of an observation: the only input of a transition."""

from typing import NamedTuple

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PrefixSource


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
