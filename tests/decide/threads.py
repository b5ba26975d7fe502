"""What people reported of real networks, as events."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from gitops_prefix.decide.advertisement import INFINITY, Preference, Router, RouterAdvertisement
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Standing
from gitops_prefix.decide.specification import Specification
from tests.decide.routers_saying import (
    FIRST,
    LOCAL,
    SECOND,
    A,
    B,
    C,
    Says,
    every,
    pio,
    saying,
    watching,
)

HIGH, LOW = Preference.HIGH, Preference.LOW
HOUR, DAY = 3600, 86400
WEEK = {"preferred": 7 * DAY, "valid": 30 * DAY}
CURRENT, FAILED, GONE = Standing.CURRENT, Standing.FAILED_STATIC, Standing.GONE
EMPTY = saying()
FAREWELL = saying(lifetime=0)
ULA = saying(LOCAL, lifetime=0)
ROUTES = saying(lifetime=0)._replace(snac_router=True)


class Thread(NamedTuple):
    """What was heard, who was still there to answer, and what came of it.

    Attributes:
        said: the advertisements.
        until: when it is looked at last.
        changes: the prefixes that became current after the first one.
        answers: what the routers answer that are there all the time.
        standing: at the end.
    """

    said: list[Says]
    until: float
    changes: tuple[Prefix, ...]
    answers: Mapping[Router, tuple[RouterAdvertisement, ...]] = MappingProxyType({})
    standing: Standing = CURRENT
    specification: Specification = watching()
    known: Prefix | None = None


THREADS = {
    "openwrt/odhcpd #155: the global and the local prefix in two packets": Thread(
        [*every(65, 0, 3 * HOUR, saying(A), ULA), *every(65, 3 * HOUR, 6 * HOUR, saying(C), ULA)],
        6 * HOUR,
        (C,),
    ),
    "openwrt/odhcpd #155: at the usual interval": Thread(
        [*every(590, 0, 9 * HOUR, saying(A), ULA), *every(590, 9 * HOUR, DAY, saying(C), ULA)],
        DAY,
        (C,),
    ),
    "openwrt/odhcpd #155: the local one first, and it is the one with a router lifetime": Thread(
        [
            *every(590, 0, 9 * HOUR, saying(LOCAL), saying(A, lifetime=0)),
            *every(590, 9 * HOUR, DAY, saying(LOCAL), saying(C, lifetime=0)),
        ],
        DAY,
        (C,),
    ),
    "systemd #24898: a router sends a subset of its options": Thread(
        every(300, 0, DAY, saying(A), EMPTY), DAY, ()
    ),
    "openthread #6431, #7815: a border router on the address of the router": Thread(
        [*every(200, 0, DAY, saying(A)), *every(180, 7, DAY, ROUTES)],
        DAY,
        (),
        {FIRST: (saying(A), ROUTES)},
    ),
    "openthread #6431, with a second router": Thread(
        [
            *every(200, 0, DAY, saying(A)),
            *every(180, 7, DAY, ROUTES),
            *every(600, 9, DAY, saying(B), router=SECOND),
        ],
        DAY,
        (),
        {FIRST: (saying(A), ROUTES), SECOND: (saying(B),)},
    ),
    "systemd #32292: the router daemon restarts": Thread(
        [
            *every(200, 0, HOUR, saying(A)),
            *every(600, 9, DAY, saying(B), router=SECOND),
            Says(HOUR, FAREWELL),
            *every(200, HOUR + 2, DAY, saying(A)),
        ],
        DAY,
        (),
        {SECOND: (saying(B),)},
    ),
    "systemd #27982: cable preferred, 5G else; it fails over and back": Thread(
        [
            *every(200, 0, HOUR, saying(A, preference=HIGH)),
            *every(600, 9, DAY, saying(B, preference=LOW), router=SECOND),
            *every(200, 8 * HOUR, DAY, saying(A, preference=HIGH)),
        ],
        DAY,
        (B, A),
        {SECOND: (saying(B, preference=LOW),)},
    ),
    "systemd #27982: cable is there, and is no default router any more": Thread(
        [
            *every(200, 0, HOUR, saying(A, preference=HIGH)),
            *every(200, HOUR, 2 * HOUR, saying(A, lifetime=0)),
            *every(600, 9, 2 * HOUR, saying(B, preference=LOW), router=SECOND),
        ],
        2 * HOUR,
        (B,),
        {SECOND: (saying(B, preference=LOW),)},
    ),
    "OPNsense #7194: high availability, radvd is stopped and says farewell": Thread(
        [
            *every(600, 0, HOUR, saying(A)),
            Says(HOUR, saying(A, lifetime=0)),
            *every(600, 9, 2 * HOUR, saying(B), router=SECOND),
        ],
        HOUR + 9,
        (B,),
        {SECOND: (saying(B),)},
    ),
    "freifunk bbb-configs #1707, odhcpd #82: another router, and lifetimes of days": Thread(
        [
            *every(600, 0, HOUR, saying(pio(A, **WEEK))),
            *every(600, HOUR, 3 * HOUR, saying(pio(B, **WEEK)), router=SECOND),
        ],
        3 * HOUR,
        (B,),
        {SECOND: (saying(pio(B, **WEEK)),)},
    ),
    "odhcpd #82: the lifetimes are infinite": Thread(
        [
            *every(600, 0, HOUR, saying(pio(A, INFINITY, INFINITY))),
            *every(600, HOUR, 3 * HOUR, saying(pio(B, **WEEK)), router=SECOND),
        ],
        3 * HOUR,
        (B,),
        {SECOND: (saying(pio(B, **WEEK)),)},
    ),
    "draft-link-6man-gulla: a link-local address for each prefix": Thread(
        [
            *every(200, 0, HOUR, saying(pio(A, **WEEK))),
            *every(200, HOUR, 2 * HOUR, saying(pio(B, **WEEK)), router=SECOND),
        ],
        2 * HOUR,
        (B,),
        {SECOND: (saying(pio(B, **WEEK)),)},
    ),
    "radvd #91, systemd #13564 in its first hours: the old one goes on, and counts down": Thread(
        [
            *every(200, 0, HOUR, saying(A)),
            *(
                Says(HOUR + 200 * turn, saying(pio(A, 14400 - 200 * turn, 86400 - 200 * turn), B))
                for turn in range(9)
            ),
        ],
        HOUR + 1800,
        (B,),
    ),
    "systemd #13564, openwrt #9811: more old ones each day, all with preferred 0": Thread(
        [
            *every(600, 0, DAY, saying(A)),
            *every(600, DAY, 2 * DAY, saying(pio(A, 0, 7200), B)),
            *every(600, 2 * DAY, 3 * DAY, saying(pio(A, 0, 7200), pio(B, 0, 7200), C)),
        ],
        3 * DAY,
        (B, C),
    ),
    "systemd #29651, #43313: a new prefix, and not a word about the old one": Thread(
        [*every(600, 0, DAY, saying(A)), *every(600, DAY, 2 * DAY, saying(B))], 2 * DAY, (B,)
    ),
    "systemd #3879, #5636: FRITZ!Box, preferred 0 and valid 7199, later valid 0": Thread(
        [
            *every(600, 0, DAY, saying(A)),
            Says(DAY, saying(pio(A, 0, 7199), B)),
            *every(600, DAY + 600, 2 * DAY, saying(pio(A, 0, 0), B)),
        ],
        2 * DAY,
        (B,),
    ),
    "radvd #116: lifetimes of 300 s, the old one with 0": Thread(
        [
            *every(100, 0, HOUR, saying(pio(A, 300, 300))),
            *every(100, HOUR, 2 * HOUR, saying(pio(A, 0, 0), pio(B, 300, 300))),
        ],
        2 * HOUR,
        (B,),
    ),
    "RFC 9096 3.5 in OPNsense #10261: the old one with 0/0 for a long time": Thread(
        [
            *every(600, 0, DAY, saying(A)),
            *every(600, DAY, 5 * DAY, saying(pio(A, 0, 0), B)),
        ],
        5 * DAY,
        (B,),
    ),
    "suricata kill_router6.pcap: forged, with a router lifetime of 0": Thread(
        [
            *every(200, 0, DAY, saying(A)),
            *every(5, HOUR, 2 * HOUR, FAREWELL),
            *every(600, 9, DAY, saying(B), router=SECOND),
        ],
        DAY,
        (),
        {FIRST: (saying(A),), SECOND: (saying(B),)},
    ),
    "openwrt #17735, #9689: the router does not know that its prefix is dead": Thread(
        every(600, 0, DAY, saying(A)), DAY, ()
    ),
    "OPNsense #4338: radvd stops after days, and says nothing": Thread(
        every(600, 0, DAY, saying(A)), DAY + HOUR, (), {}, GONE
    ),
    "two uplinks: the router that renumbers names its successor, and no other router's is taken": Thread(
        [
            *every(200, 0, HOUR, saying(A)),
            *every(200, HOUR, 2 * HOUR, saying(pio(A, 0, 7200), C)),
            *every(600, 9, 2 * HOUR, saying(B), router=SECOND),
        ],
        2 * HOUR,
        (C,),
        {SECOND: (saying(B),)},
    ),
    "after a power cut the backup is there first": Thread(
        [
            *every(600, 0, HOUR, saying(B, preference=LOW), router=SECOND),
            *every(200, 60, HOUR, saying(A)),
        ],
        HOUR,
        (A,),
        {SECOND: (saying(B, preference=LOW),), FIRST: (saying(A),)},
    ),
    "short lifetimes and a lossy link: whoever answers is there": Thread(
        [
            *every(15, 0, HOUR, saying(pio(A, 45, 60))),
            *every(15, HOUR + 60, 2 * HOUR, saying(pio(A, 45, 60))),
            *every(15, 9, 2 * HOUR, saying(pio(B, 45, 60)), router=SECOND),
        ],
        2 * HOUR,
        (),
        {FIRST: (saying(pio(A, 45, 60)),), SECOND: (saying(pio(B, 45, 60)),)},
    ),
    "a stub network's router announces its own prefix": Thread(
        [
            *every(200, 0, HOUR, saying(B)._replace(snac_router=True), router=SECOND),
            *every(200, 9, HOUR, saying(A)),
        ],
        HOUR,
        (),
    ),
    "two speakers behind one address, with a prefix each": Thread(
        [*every(200, 0, DAY, saying(A)), *every(200, 90, DAY, saying(B)._replace(hop_limit=255))],
        DAY,
        (B,),
    ),
    "a local prefix does not replace the global one of a router that is gone": Thread(
        [
            *every(200, 0, HOUR, saying(pio(A, 1800, 3600))),
            *every(200, 9, DAY, saying(LOCAL), router=SECOND),
        ],
        DAY,
        (),
        {SECOND: (saying(LOCAL),)},
        GONE,
        watching(require_global_unicast=False),
    ),
}
