"""What the kernel of a host has, step by step, and what is decided."""

from typing import NamedTuple

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Standing
from gitops_prefix.decide.specification import Acquisition, Specification
from tests.decide.routers_saying import LOCAL, A, B, pio

CURRENT, FAILED, LISTENING = Standing.CURRENT, Standing.FAILED_STATIC, Standing.LISTENING


class Has(NamedTuple):
    """At a moment, some prefixes are repeated; others may be gone from the kernel."""

    at: float
    repeated: tuple = ()
    gone: tuple[Prefix, ...] = ()


def repeats(at: float, *options) -> Has:
    return Has(at, tuple(one if not isinstance(one, Prefix) else pio(one) for one in options))


def following(**acquisition) -> Specification:
    return Specification("home", Acquisition(kernel_interface="eth0", **acquisition))


def every(seconds: float, begin: float, end: float, *prefixes: Prefix) -> list[Has]:
    return [repeats(begin + seconds * n, *prefixes) for n in range(int((end - begin) / seconds))]


class Scenario(NamedTuple):
    """What happens, and what is current, and why, at the end."""

    events: list[Has]
    current: Prefix | None
    standing: Standing = CURRENT
    changes: int = 0
    known: Prefix | None = None
    specification: Specification = following()


BOTH = [one for n in range(20) for one in (repeats(600 * n, A), repeats(600 * n + 300, B))]
SCENARIOS = {
    "a prefix of the kernel is current": Scenario([repeats(0, A)], A),
    "nothing in the kernel": Scenario([Has(0)], None, Standing.WAITING),
    "nothing in the kernel, and one in the repository": Scenario([Has(0)], A, FAILED, known=A),
    "renewed for hours": Scenario(every(600, 0, 90000, A), A),
    "a flash renumbering: B appears, A is silent": Scenario(
        [*every(600, 0, 3000, A), repeats(3000, B)], B, changes=1
    ),
    "a flash renumbering within a moment of A's last": Scenario(
        [repeats(0, A), repeats(600, A), repeats(600.6, B)], B, changes=1
    ),
    "the kernel keeps A for weeks, and only B is repeated": Scenario(
        [repeats(0, A), *every(600, 3000, 90000, B)], B, changes=1
    ),
    "an ISP that returns to A at once": Scenario(
        [*every(600, 0, 3000, A), *every(600, 3000, 6000, B), *every(600, 6000, 9000, A)], A, changes=2
    ),
    "an ISP that returns to A after hours: as at once as for a new one": Scenario(
        [repeats(0, A), *every(600, 3000, 9000, B), repeats(9000, A)], A, changes=2
    ),
    "several notices of one advertisement do not make it look fast": Scenario(
        [repeats(0, A), repeats(3, B), *every(0.1, 600, 601, A), repeats(603, B), repeats(1203, B)], A
    ),
    "deprecated, with B": Scenario([repeats(0, A), repeats(9, pio(A, preferred=0), B)], B, changes=1),
    "deprecated, and nothing else": Scenario([repeats(0, A), repeats(9, pio(A, preferred=0))], A, FAILED),
    "withdrawn, and nothing else": Scenario([repeats(0, A), repeats(9, pio(A, 0, 0))], A, FAILED),
    "its preferred lifetime ran out": Scenario([repeats(0, pio(A, 100, 900)), Has(100)], A, FAILED),
    "gone from the kernel, and nothing else": Scenario([repeats(0, A), Has(9, (), (A,))], A, FAILED),
    "gone from the kernel, with B": Scenario(
        [repeats(0, A, B), Has(9, (), (A,))], B, changes=1
    ),
    "two prefixes of one router": Scenario(every(600, 0, 9000, B, A), A),
    "two routers, each in its turn: no flapping": Scenario(BOTH, B, changes=1),
    "two routers that answer one solicitation": Scenario([repeats(0, A), repeats(3, B)], A),
    "and one of them falls silent": Scenario(
        [repeats(0, A), *every(600, 3, 2403, B)], B, changes=1
    ),
    "a local prefix is no renumbering of a global one": Scenario([repeats(0, A), repeats(600, LOCAL)], A),
    "a local prefix never displaces a global one, even if told": Scenario(
        [repeats(0, A), repeats(600, LOCAL)], A, specification=following(require_global_unicast=False)
    ),
    "a global prefix displaces a local one": Scenario(
        [repeats(0, LOCAL), repeats(600, A)], A, changes=1,
        specification=following(require_global_unicast=False),
    ),
    "a deprecated newcomer is no renumbering": Scenario([repeats(0, A), repeats(600, pio(B, preferred=0))], A),
    "longer than /64": Scenario([repeats(0, Prefix.parse("2001:db8::/80"))], None, Standing.WAITING),
    "not inside within": Scenario(
        [repeats(0, A)], None, Standing.WAITING, specification=following(within=(B,))
    ),
    "neither on-link nor autonomous": Scenario([repeats(0, pio(A, flags=""))], None, Standing.WAITING),
    "what policy refuses is no renumbering": Scenario(
        [repeats(0, A), repeats(600, B)], A, specification=following(within=(A,))
    ),
    "on-link alone: hosts have addresses by DHCPv6": Scenario([repeats(0, pio(A, flags="L"))], A),
    "the kernel does not report which router a prefix is from": Scenario(
        [repeats(0, A)], A, specification=following(routers=("fe80::1",))
    ),
    "on another link": Scenario(
        [repeats(0, A)], None, Standing.WAITING,
        specification=Specification("home", Acquisition(kernel_interface="eth1")),
    ),
    "beside advertisements, while no router speaks": Scenario(
        [repeats(0, A)], A, specification=following(interfaces=("eth0",))
    ),
}  # fmt: skip
