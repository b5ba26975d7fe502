"""From a DHCPv6 Reply on the wire to the commit, against the same for a Router Advertisement.

Two daemons with default settings take turns on repositories of one size. The one has a lease, and
a Renew is answered by another prefix, with the old one withdrawn; the other hears a router that
renumbers by flash.
"""

import itertools
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.home_repository import git, make
from bench.on_the_wire import FILES, MANAGED, alone, renumbering, tip
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.dhcpv6_codec import (
    Association,
    DelegatedPrefix,
    Dhcpv6Message,
    MessageType,
)
from tests import netns
from tests.dhcp_servers import Forger, reply_to
from tests.gitrepo import ROOT

CHANGES = 20
_LINK = "    routerAdvertisement:\n      interface: eth0\n"
_LEASE = "    dhcpv6pd:\n      interface: eth0\n      requestedPrefixLength: 64\n"


def main(directory: Path, changes: int = CHANGES) -> None:
    """Print the row."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        print("3b Reply on the wire: not measured (needs root and iproute2)")
        return
    for name in ("lease", "link"):
        (directory / name).mkdir()
    tree, leased = make(directory / "lease", FILES, MANAGED)
    lease_out(tree)
    _, heard = make(directory / "link", FILES, MANAGED)
    with (
        renumbering(heard, directory / "heard") as advertise,
        replying(leased, directory / "leased") as reply,
    ):
        rounds = [(reply(), advertise()) for _ in range(changes + 1)][1:]
    ours, peer = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"3b Reply on the wire to commit on the remote: {ours / peer:.2f} x an advertisement "
        f"({ours * 1e3:.0f} ms against {peer * 1e3:.0f}; {changes} changes)  goal <= 1.2 x"
    )


def lease_out(tree: Path) -> None:
    """Have the DynamicPrefix of a repository ask by DHCPv6."""
    document = tree / "prefix.yaml"
    document.write_text(document.read_text().replace(_LINK, _LEASE))
    git(tree, "commit", "-qam", "a lease")
    git(tree, "push", "-q", "origin", "main")


@contextmanager
def replying(remote: Path, clone: Path) -> Iterator[Callable[[], float]]:
    """A running daemon with a lease, and a call that waits for the next Reply and its commit."""
    words = [sys.executable, "-m", "gitops_prefix", "run", "--repo", str(remote)]
    words += ["--branch", "main", "--clone-dir", str(clone)]
    prefixes = (Prefix.parse(f"2001:db8:{number:x}::/64") for number in itertools.count(1))
    given = [next(prefixes)]
    wanted: list[bool] = []
    sent_at: list[float] = []

    def answer(message: object) -> list[bytes]:
        if not isinstance(message, Dhcpv6Message):
            return []
        lease = [DelegatedPrefix(given[0], 3000, 4000)]
        if message.type is MessageType.RENEW and wanted:
            wanted.clear()
            lease.append(DelegatedPrefix(given[0], 0, 0))
            lease[0] = DelegatedPrefix(next(prefixes), 3000, 4000)
            given[0] = lease[0].prefix
            sent_at.append(time.perf_counter())
        association = Association(message.associations[0].iaid, 3, 600, tuple(lease))
        return [reply_to(message, associations=(association,))]

    log = clone.with_suffix(".log")
    with (
        netns.lab() as lab,
        log.open("w") as file,
        Forger(lab).answering(answer),
        lab.node.start(*words, stderr=file, cwd=ROOT),
    ):
        netns.until(lambda: "published" in log.read_text(), "the first lease", 60)

        def change() -> float:
            before, count, began = tip(remote), len(sent_at), time.perf_counter()
            wanted.append(True)
            while len(sent_at) == count or tip(remote) == before:
                if time.perf_counter() - began > 60:
                    raise SystemExit(f"no commit within 60 s:\n{log.read_text()}")
                time.sleep(0.0005)
            return time.perf_counter() - sent_at[count]

        yield change


if __name__ == "__main__":
    alone(main, CHANGES)
