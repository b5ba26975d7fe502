"""A zone file of 1 MiB with 10,000 addresses moved to another prefix, against `sed`.

Both read the file and write the result. Ours also reads the DynamicPrefix, finds the addresses by
their form, proves the edit and makes the list of changes; `sed` replaces a text.
"""

import itertools
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bench.ratio import measure, show
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.transition import Choice, advance
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PREFIXES = [Prefix.parse(f"2001:db8:{letter}::/64") for letter in "ab"]
HOME = b"""\
apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata: {name: home-ipv6}
spec: {acquisition: {routerAdvertisement: {interface: eth0}}}
"""
MARKER = '; {"$dynamicprefix": "home-ipv6:rewrite:%s"}\n'


def zone(addresses: int, length: int) -> str:
    """A zone of that many addresses, with a comment on each line that fills it up."""
    lines = [
        f"host{number} IN AAAA 2001:db8:a::{number % 0xFFFF:x} ; "
        for number in range(1, addresses + 1)
    ]
    more = (length - sum(map(len, lines))) // addresses
    text = "".join(f"{line}{'x' * (more - 1)}\n" for line in lines)
    return f"{MARKER % 'begin'}{text}{MARKER % 'end'}"


def main(directory: Path) -> None:
    """Each call finds another prefix to write."""
    file, theirs_file = directory / "home.zone", directory / "sed.zone"
    for path in (file, theirs_file):
        path.write_text(zone(10_000, 1024 * 1024))
    home = {"home.yaml": HOME}
    ours_in = itertools.cycle(PREFIXES)
    scripts = itertools.cycle(("s/2001:db8:a:/2001:db8:b:/g", "s/2001:db8:b:/2001:db8:a:/g"))

    def ours() -> None:
        files = home | {"home.zone": file.read_bytes()}
        inventory = read_inventory(files, Settings())
        document = inventory.dynamic_prefixes["home-ipv6"]
        choice = Choice(next(ours_in))
        status = advance(document.specification, document.status, choice, NOW)
        rendered = render(inventory, {"home-ipv6": status}).files
        home["home.yaml"] = rendered.get("home.yaml", home["home.yaml"])
        file.write_bytes(rendered.get("home.zone", files["home.zone"]))

    def theirs() -> None:
        subprocess.run(["sed", "-i", next(scripts), str(theirs_file)], check=True)

    ours()
    row = "4 a 1 MiB zone with 10,000 addresses moved, over sed"
    show(row, measure(ours, theirs, 20), "< 2 x")
    assert theirs_file.read_bytes().count(b"2001:db8:") == 10_000
