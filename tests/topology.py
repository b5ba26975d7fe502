"""Routers and a node on one switch: namespaces on a bridge, with VLANs if wanted.

`netns.lab` is a cable; this is the switch that a home or a cluster has.
"""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.netns import PREFIX, RADVD, Namespace, run, until


@dataclass(frozen=True)
class Switch:
    """A bridge in a namespace of its own.

    Attributes:
        node: has the link eth0.
        routers: have the link lan0 each, `fe80::N` for the N-th from 1.
    """

    bridge: Namespace
    node: Namespace
    routers: tuple[Namespace, ...]

    def add_vlan(self, number: int, *, tagged: bool) -> None:
        """Another link for the node and every router, as in `eth0.10`.

        Args:
            number: of the VLAN.
            tagged: 802.1Q on the links that are there; else a bridge of its own, which
                to the hosts is the same (an access port each).
        """
        if not tagged:
            self.bridge.run(
                "ip", "link", "add", f"br{number}", "type", "bridge", "mcast_snooping", "0"
            )
            self.bridge.run("ip", "link", "set", f"br{number}", "up")
        for position, namespace in enumerate((self.node, *self.routers)):
            name = f"{namespace.link}.{number}"
            if tagged:
                words = ("type", "vlan", "id", str(number))
                namespace.run("ip", "link", "add", "link", namespace.link, "name", name, *words)
            else:
                _join(self.bridge, f"p{position}.{number}", f"br{number}", namespace, name)
            namespace.run("ip", "link", "set", name, "up")
            until(lambda: _has_address(namespace, name), f"an address on {name}")  # noqa: B023


@contextmanager
def switch(routers: int = 2) -> Iterator[Switch]:
    """A node and some routers, joined; all is gone afterwards."""
    tag = f"gp{secrets.token_hex(4)}"
    bridge, node = Namespace(f"{tag}b", "br0"), Namespace(f"{tag}n", "eth0")
    around = tuple(Namespace(f"{tag}r{n}", "lan0") for n in range(1, routers + 1))
    quiet = ("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
    with ExitStack() as stack:
        for namespace in (bridge, node, *around):
            run("ip", "netns", "add", namespace.name)
            stack.callback(
                subprocess.run,
                ["ip", "netns", "del", namespace.name],
                capture_output=True,
                check=False,
            )
            namespace.run("sysctl", "-qw", *quiet)
            namespace.run("ip", "link", "set", "lo", "up")
        # mcast_snooping off: no querier is here, and none is wanted.
        bridge.run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        bridge.run("ip", "link", "set", "br0", "up")
        for number, namespace in enumerate((node, *around)):
            _join(bridge, f"p{number}", "br0", namespace, namespace.link)
            if number:
                namespace.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
                # The router's address is the test's to choose.
                namespace.run("ip", "link", "set", namespace.link, "addrgenmode", "none")
                words = (f"fe80::{number}/64", "dev", namespace.link, "nodad")
                namespace.run("ip", "-6", "address", "add", *words)
            namespace.run("ip", "link", "set", namespace.link, "up")
        for namespace in (node, *around):
            until(lambda: _has_address(namespace, namespace.link), "an address")  # noqa: B023
        yield Switch(bridge, node, around)


def _join(bridge: Namespace, port: str, master: str, namespace: Namespace, link: str) -> None:
    """A cable from a port of the bridge to a namespace."""
    end = ("peer", "name", link, "netns", namespace.name)
    run("ip", "link", "add", port, "netns", bridge.name, "type", "veth", *end)
    bridge.run("ip", "link", "set", port, "master", master, "up")


def _has_address(namespace: Namespace, link: str) -> bool:
    words = ("ip", "-6", "address", "show", "dev", link, "scope", "link", "-tentative", "up")
    return "fe80::" in namespace.run(*words).stdout


class Advertiser:
    """A real radvd in one of the routers, on any of its links."""

    def __init__(self, router: Namespace, directory: Path, template: str = RADVD) -> None:
        self._router, self._directory = router, directory / router.name
        self._template = template
        self._directory.mkdir(exist_ok=True)
        self._configuration = self._directory / "radvd.conf"
        self._pid = self._directory / "radvd.pid"

    def _write(self, prefixes: dict[str, tuple[str, ...]]) -> None:
        interfaces = []
        for link, announced in prefixes.items():
            lines = [PREFIX.format(prefix=one, valid=86400, preferred=14400) for one in announced]
            interfaces.append(
                self._template.format(prefixes="\n  ".join(lines)).replace("lan0", link)
            )
        self._configuration.write_text("\n".join(interfaces))

    @contextmanager
    def advertising(self, **prefixes: tuple[str, ...]) -> Iterator["Advertiser"]:
        """`lan0=("2001:db8::/64",)`; a VLAN's link is written with `_` for its dot."""
        self._write({link.replace("_", "."): one for link, one in prefixes.items()})
        words = ("radvd", "-n", "-m", "stderr", "-C", self._configuration, "-p", self._pid)
        with (
            (self._directory / "radvd.log").open("w") as log,
            self._router.start(*map(str, words), stderr=log),
        ):
            yield self

    def process_id(self) -> int:
        """Of radvd, which leads its process group."""
        return int(self._pid.read_text())

    def advertise(self, **prefixes: tuple[str, ...]) -> None:
        """Change the configuration, and have it read."""
        self._write({link.replace("_", "."): one for link, one in prefixes.items()})
        os.kill(int(self._pid.read_text()), signal.SIGHUP)


def heard(node: Namespace, metric: str = "router_advertisements_total") -> int:
    """Router Advertisements that a daemon took, or another sum of its metrics at 127.0.0.1:8080."""
    read = (
        "import urllib.request as u;"
        "print(u.urlopen('http://127.0.0.1:8080/metrics').read().decode())"
    )
    answer = subprocess.run(
        node.command(sys.executable, "-c", read), check=False, capture_output=True, text=True
    )
    lines = answer.stdout.splitlines()
    return int(
        sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith(f"gitops_prefix_{metric}")
        )
    )
