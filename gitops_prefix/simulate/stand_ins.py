"""What a scenario leaves open, filled in from the repository that it is played on.

A scenario that names no link, no router address and no literal prefix fits every
repository: `A` is the prefix that is current there, `B`, `C` and so on others that
the policy lets through as well.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import USUAL_LENGTH, Specification
from gitops_prefix.decide.status import Status

_FIRST = Prefix.parse("2001:db8:1234::/64")
_LETTER = re.compile(r"[A-Z]")
_SITE = 48
"""What an ISP's next prefix differs in, when there is room: another /48 (RFC 6177)."""
_LETTER_BITS = 5


@dataclass(frozen=True, slots=True)
class StandIns:
    """What stands for what the scenario does not say."""

    interface: str = "eth0"
    router: str = "fe80::1"
    current: Prefix = _FIRST
    within: tuple[Prefix, ...] = ()

    def prefix(self, text: str) -> Prefix:
        """A prefix in CIDR notation, or a letter.

        Raises:
            ValueError: it is neither, or the policy leaves no room for such a letter.
        """
        if not _LETTER.fullmatch(text):
            return Prefix.parse(text)
        steps = ord(text) - ord("A")
        outer = max((one.length for one in self.within if one.covers(self.current)), default=0)
        unit = min(max(_SITE, outer + _LETTER_BITS), self.current.length)
        if steps and unit - _LETTER_BITS < outer:
            raise ValueError(
                f'"{text}" finds no room in prefixFilter.within: write the prefix out instead'
            )
        # Another bit of the subnet's number each time, and never one outside `within`.
        network = self.current.network ^ steps << (128 - unit)
        return Prefix(network, self.current.length)


def stand_ins(
    specifications: Mapping[str, Specification], statuses: Mapping[str, Status | None]
) -> StandIns:
    """The stand-ins of a repository: those of its first DynamicPrefix that watches a link."""
    for name, specification in sorted(specifications.items()):
        acquisition = specification.acquisition
        links = (*acquisition.interfaces, *filter(None, [acquisition.kernel_interface]))
        if not links or acquisition.static:
            continue
        status = statuses.get(name)
        return StandIns(
            links[0],
            next(iter(acquisition.routers), "fe80::1"),
            status.current if status else _first(acquisition.within),
            acquisition.within,
        )
    return StandIns()


def _first(within: tuple[Prefix, ...]) -> Prefix:
    if not within or any(one.covers(_FIRST) for one in within):
        return _FIRST
    return Prefix(within[0].network, max(USUAL_LENGTH, within[0].length))
