"""Cilium's LB-IPAM and MetalLB's controller: the true programs, and stand-ins that do the same.

A stand-in acts when it is given a turn. What it models was seen with the true program, and the
same scenarios run against both.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

from tests.git_servers import free_port, start_here
from tests.neighbours.place import Place, addresses

IPS = "lbipam.cilium.io/ips"
METALLB_IPS = "metallb.io/loadBalancerIPs"
SHARING, METALLB_SHARING = "lbipam.cilium.io/sharing-key", "metallb.io/allow-shared-ip"
METALLB, METALLB_POD = "metallb-system", "controller"
Address = IPv4Address | IPv6Address


@dataclass
class TrueProgram:
    """It acts by itself, while it runs."""

    log: Path
    process: Popen[str]

    def turn(self) -> None:
        """Nothing to do but to see that it still runs."""
        assert self.process.poll() is None, self.log.read_text()[-3000:]


@dataclass(frozen=True)
class Several:
    """Programs that act together."""

    programs: list[TrueProgram]

    def turn(self) -> None:
        """See that all still run."""
        for program in self.programs:
            program.turn()


class Range(NamedTuple):
    """What a pool offers: both ends belong to it."""

    start: Address
    stop: Address

    def __contains__(self, address: object) -> bool:
        same = isinstance(address, type(self.start))
        return same and self.start <= address <= self.stop

    def addresses(self) -> Iterator[str]:
        """From the low end."""
        return (str(self.start + number) for number in range(int(self.stop) - int(self.start) + 1))


@contextmanager
def lb_ipam(place: Place, log: Path) -> Iterator[TrueProgram]:
    """Cilium's own."""
    words = ("--k8s-kubeconfig-path", str(place.cluster.kubeconfig("admin")))
    words += ("--k8s-client-qps=500", "--k8s-client-burst=500")
    with _running("lbipam", words, log) as program:
        yield program


@contextmanager
def lb_ipam_stand_in(place: Place, log: Path) -> Iterator["LbIpam"]:
    """Ours."""
    yield LbIpam(place)


@contextmanager
def metallb(place: Place, log: Path) -> Iterator[TrueProgram]:
    """MetalLB's own controller, without its webhook."""
    words = (f"--namespace={METALLB}", "--webhook-mode=disabled", "--disable-cert-rotation")
    words += (f"--pod-name={METALLB_POD}", "--port=0", f"--health-probe-port={free_port()}")
    kubeconfig = str(place.cluster.kubeconfig("admin"))
    with _running("metallb", words, log, {"KUBECONFIG": kubeconfig}) as program:
        yield program


@contextmanager
def metallb_stand_in(place: Place, log: Path) -> Iterator["MetalLb"]:
    """Ours."""
    yield MetalLb(place)


def _families(service: Mapping) -> tuple[type[Address], ...]:
    names = {"IPv4": IPv4Address, "IPv6": IPv6Address}
    return tuple(names[family] for family in service["spec"]["ipFamilies"])


def _share(key: str, service: Mapping, other: Mapping) -> bool:
    """Whether one address serves both: one sharing key, and no port in common."""
    words = [(each["metadata"].get("annotations") or {}).get(key) for each in (service, other)]
    ports = [
        {(port["protocol"], port["port"]) for port in each["spec"]["ports"]}
        for each in (service, other)
    ]
    return bool(words[0]) and words[0] == words[1] and ports[0].isdisjoint(ports[1])


@dataclass
class LbIpam:
    """LB-IPAM of Cilium 1.20 (operator/pkg/lbipam).

    It knows a range by its ends, keeps ranges in the order in which they came, and allocates from
    the oldest. What `ips` lists is all that a Service has.
    """

    place: Place
    ranges: list[Range] = field(default_factory=list)

    def turn(self) -> None:
        """Read the pools, then give each Service what it lacks."""
        listed = self.place.connection.request(
            "get", "/apis/cilium.io/v2/ciliumloadbalancerippools"
        )
        offered = [
            _of_block(block) for pool in listed["items"] for block in pool["spec"].get("blocks", ())
        ]
        self.ranges = [known for known in self.ranges if known in offered]
        self.ranges += [new for new in offered if new not in self.ranges]
        services = self.place.services()
        taken = {text for service in services for text in addresses(service)}
        now = {service["metadata"]["name"]: addresses(service) for service in services}
        for service in services:
            others = [each for each in services if each is not service]
            refused = {
                text
                for other in others
                if not _share(SHARING, service, other)
                for text in now[other["metadata"]["name"]]
            }
            held = self._serve(service, taken, refused)
            now[service["metadata"]["name"]] = held
            if held != addresses(service):
                taken |= set(held)
                self.place.write_status(service["metadata"]["name"], held)

    def _serve(self, service: Mapping, taken: set[str], refused: set[str]) -> tuple[str, ...]:
        asked = (service["metadata"].get("annotations") or {}).get(IPS, "")
        wanted = [text.strip() for text in asked.split(",") if text.strip()]
        valid = tuple(
            text
            for text in addresses(service)
            if self._offers(text) and (not wanted or text in wanted)
        )
        if wanted:
            return valid + tuple(
                text
                for text in wanted
                if self._offers(text) and text not in valid and text not in refused
            )
        for family in _families(service):
            if any(isinstance(ip_address(text), family) for text in valid):
                continue
            ranges = (known for known in self.ranges if isinstance(known.start, family))
            free = (text for known in ranges for text in known.addresses() if text not in taken)
            valid += tuple(filter(None, [next(free, None)]))
            taken |= set(valid)
        return valid

    def _offers(self, text: str) -> bool:
        return any(ip_address(text) in known for known in self.ranges)


@dataclass
class MetalLb:
    """MetalLB's controller, 0.16.

    A Service has one address a family. When one of its addresses leaves the pools, it loses all
    of them, and all that have none are served in whatever order: here in the reverse of their names.
    """

    place: Place
    known: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def turn(self) -> None:
        """Read the pools, then serve whoever does not hold what it may."""
        path = f"/apis/metallb.io/v1beta1/namespaces/{METALLB}/ipaddresspools"
        pools = self.place.connection.request("get", path)["items"]
        ranges = [_of_text(text) for pool in pools for text in pool["spec"].get("addresses", ())]
        services = [
            each for each in self.place.services() if each["spec"]["type"] == "LoadBalancer"
        ]
        held = {service["metadata"]["name"]: addresses(service) for service in services}
        kept = {
            name: texts
            for name, texts in held.items()
            if texts and all(any(ip_address(text) in known for known in ranges) for text in texts)
        }
        for service in reversed(services):
            name = service["metadata"]["name"]
            others = {
                each["metadata"]["name"]
                for each in services
                if each is not service and not _share(METALLB_SHARING, service, each)
            }
            beside = {other: texts for other, texts in kept.items() if other in {name, *others}}
            kept[name] = self._serve(service, ranges, beside)
        for name, texts in kept.items():
            if texts != held[name]:
                self.place.write_status(name, texts)

    @staticmethod
    def _serve(
        service: Mapping, ranges: list[Range], kept: Mapping[str, tuple[str, ...]]
    ) -> tuple[str, ...]:
        name = service["metadata"]["name"]
        taken = {text for other, texts in kept.items() if other != name for text in texts}
        families = _families(service)
        asked = (service["metadata"].get("annotations") or {}).get(METALLB_IPS, "")
        if asked:
            wanted = tuple(str(ip_address(text.strip())) for text in asked.split(","))
            fits = {type(ip_address(text)) for text in wanted} == set(families)
            there = all(any(ip_address(text) in known for known in ranges) for text in wanted)
            fits &= len(wanted) == len(families)
            if not fits or not there or taken & set(wanted):
                return ()
            return wanted
        if kept.get(name):
            return kept[name]
        found = []
        for family in families:
            offered = (known for known in ranges if isinstance(known.start, family))
            free = (text for known in offered for text in known.addresses() if text not in taken)
            found.append(next(free, None))
        if None not in found:
            return tuple(found)
        # PreferDualStack and one family alone is to be had.
        prefers = service["spec"].get("ipFamilyPolicy") == "PreferDualStack"
        return tuple(filter(None, found)) if prefers else ()


def _of_block(block: Mapping) -> Range:
    if "cidr" in block:
        network = ip_network(block["cidr"])
        return Range(network[0], network[-1])
    return Range(ip_address(block["start"]), ip_address(block.get("stop", block["start"])))


def _of_text(text: str) -> Range:
    start, dash, stop = text.partition("-")
    if not dash:
        network = ip_network(text)
        return Range(network[0], network[-1])
    return Range(ip_address(start.strip()), ip_address(stop.strip()))


@contextmanager
def _running(
    name: str, words: tuple[str, ...], log: Path, environment: Mapping[str, str] = {}
) -> Iterator[TrueProgram]:
    program = Path(os.environ["NEIGHBOURS"]) / name
    with (
        log.open("a") as out,
        start_here(
            str(program), *words, stderr=out, stdout=out, env={**os.environ, **environment}
        ) as process,
    ):
        yield TrueProgram(log, process)
