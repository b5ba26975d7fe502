"""A repeated identical Router Advertisement in the daemon, against a first one.

Both ways are those of the daemon from the received bytes on, behind the socket: the
watcher's, then `Decisions`'. What is new is decoded and selected from; what is repeated
is compared, and its lifetimes are renewed.
"""

import itertools
import time
from math import inf

from bench.ratio import measure, show
from gitops_prefix.cli.demo import ROUTER, advertisement
from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.plan.ears import Watched
from gitops_prefix.watch.advertisements import Hearing
from gitops_prefix.watch.raw_socket import Packet

_MANY = 200


def main() -> None:
    """One router, one DynamicPrefix, two prefixes that come in turn."""
    decisions = Decisions(Metrics(), lambda: 0.0, lambda: None)
    specification = Specification("home-ipv6", Acquisition(interfaces=("eth0",)))
    decisions.follow({"home-ipv6": Watched(specification, None)})
    hearing = Hearing("eth0")
    packets = itertools.cycle(
        Packet(advertisement([Prefix.parse(f"2001:db8:{number}::/64")]), ROUTER, 255, 1)
        for number in (1, 2)
    )
    same = next(packets)

    def first() -> None:
        for packet in itertools.islice(packets, _MANY):
            decisions.take(hearing.hear(packet, 1.0))

    def repeated() -> None:
        for _ in range(_MANY):
            decisions.take(hearing.hear(same, 1.0))

    row = "2 a repeated advertisement in the daemon, over a first one"
    show(row, measure(repeated, first, 20), ">= 5 x", faster=True)
    assert decisions.look_again_at() < inf
    _many_routers()


def _many_routers() -> None:
    """A link with 200 routers, each of which repeats itself once a second."""
    decisions = Decisions(Metrics(), lambda: 0.0, lambda: None)
    specification = Specification("home-ipv6", Acquisition(interfaces=("eth0",)))
    decisions.follow({"home-ipv6": Watched(specification, None)})
    hearing = Hearing("eth0")
    packets = [
        Packet(
            advertisement([Prefix.parse(f"2001:db8:{number:x}::/64")]),
            ROUTER[:-2] + number.to_bytes(2, "big"),
            255,
            1,
        )
        for number in range(1, _MANY + 1)
    ]
    for second in range(11):
        if second == 1:
            began = time.process_time()
        for packet in packets:
            decisions.take(hearing.hear(packet, float(second)))
    share = (time.process_time() - began) / 10
    print(f"2 {_MANY} routers, an advertisement a second each: {share:.2%} of a core  goal < 2 %")
