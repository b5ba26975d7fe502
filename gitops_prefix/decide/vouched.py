"""Routers that no flood of made-up ones may push out, or drown."""

from collections.abc import Iterable
from typing import NamedTuple

from gitops_prefix.decide.advertisement import KERNEL, Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import Routers
from gitops_prefix.decide.specification import Acquisition

MOST_ANNOUNCERS = 4
"""Routers vouched for by one current prefix: whoever forges its announcement comes later."""


class Followed(NamedTuple):
    """Where one DynamicPrefix looks for its prefix, and which is current."""

    acquisition: Acquisition
    current: Prefix | None


def vouched(routers: Routers, followed: Iterable[Followed]) -> frozenset[Router]:
    """The routers that policy names, and those that have announced a current prefix longest."""
    found: set[Router] = set()
    for acquisition, current in followed:
        named = {
            Router(interface, address)
            for interface in acquisition.interfaces
            for address in acquisition.routers
        }
        announcers = [
            (state.known_since, router)
            for router, state in routers.items()
            if current in state.announcements
            and acquisition.hears(router)
            and router.address != KERNEL
            and not named
        ]
        found |= named
        found |= {router for _, router in sorted(announcers)[:MOST_ANNOUNCERS]}
    return frozenset(found)
