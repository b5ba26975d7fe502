"""Every address of the real manifests, written as one of ours, can be made to follow.

The people's addresses are almost all IPv4: the place counts, not the family. Each file is named
in `rewrite`, or is marked at its end and begin, as a text. What does not follow is listed.
"""

import re
from pathlib import Path

from gitops_prefix.decide.transition import Choice, advance
from gitops_prefix.errors import Place
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import Rewrite, Settings
from tests.parts import require
from tests.render.repository import NOON, PREFIX, A, B

REAL = Path(__file__).parents[3] / "shared" / "real-manifests"
FILES = sorted(REAL.glob("*.yaml"))
IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\.\d)(:\d+)?")


def ours(text: str) -> tuple[str, int]:
    """The text with each IPv4 address written as an address of A, and how many there are."""
    count = 0

    def written(found: re.Match[str]) -> str:
        nonlocal count
        count += 1
        address = f"2001:db8:a::{count:x}"
        return f"[{address}]{found[1]}" if found[1] else address

    return IPV4.sub(written, text), count


def moved(path: str, text: str) -> str:
    files = {"home.yaml": PREFIX, path: text.encode()}
    settings = Settings(rewrites=(Rewrite(path, "home", Place("gitops-prefix.yaml", 1, 1)),))
    for prefix in (A, B):
        inventory = read_inventory(files, settings)
        statuses = {
            name: advance(document.specification, document.status, Choice(prefix), NOON)
            for name, document in inventory.dynamic_prefixes.items()
        }
        files |= render(inventory, statuses).files
    return files[path].decode()


def test_every_address_of_the_real_manifests_follows():
    require("shared")
    total, stayed = 0, []
    for file in FILES:
        text, count = ours(file.read_text())
        total += count
        after = moved(f"{file.stem}.txt", text)
        stayed += [f"{file.name}: {line}" for line in after.splitlines() if "2001:db8:a::" in line]
        assert after == text.replace("2001:db8:a::", "2001:db8:b::") or stayed
    assert total > 40
    assert len(stayed) <= 0.03 * total, "\n".join(stayed)
