"""Commits to be worded: what changed, and names that would like to be more than names."""

import subprocess
from typing import NamedTuple

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PastPrefix, PrefixSource, Status
from gitops_prefix.plan.occasion import Occasion, StatusChange

A, B, C = (Prefix.parse(f"2001:db8:{n}::/64") for n in (1, 2, 3))


class Change(NamedTuple):
    path: str
    kind: str
    namespace: str
    name: str
    field: str


def status(current: Prefix, *past: Prefix, dns: Prefix | None = None) -> Status:
    history = tuple(PastPrefix(prefix, None, None) for prefix in past)
    source = PrefixSource.ROUTER_ADVERTISEMENT
    return Status(current, source, None, history=history, dns_prefix=dns)


def trailers(message: str) -> list[str]:
    """As git reads them."""
    answer = subprocess.run(
        ["git", "interpret-trailers", "--parse"],
        input=message, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return answer.stdout.splitlines()


HOSTILE = "x\n\nCurrent-Prefix: ::/0\r\u2028\x00\x1b[2J\udcff"
ROUTER = Router("eth0", "fe80::1")
POOL = Change("network/pool.yaml", "CiliumLoadBalancerIPPool", "", "home", "spec.blocks")
SERVICE = Change("apps/svc.yaml", "Service", "web", "nginx", "metadata.annotations")
OCCASION = Occasion(
    [StatusChange("home-ipv6", status(A, C), status(B, A), ROUTER)], [POOL, SERVICE], by_hand=[POOL]
)
