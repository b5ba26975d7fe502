"""What somebody edited by hand is told apart from what was never rendered."""

from collections.abc import Callable

import pytest

from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import find_drift, managed_fields
from gitops_prefix.render.settings import Settings
from tests.render.repository import PREFIX, A, B, render_once

MANIFEST = """\
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata:
  name: home
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: odd}
spec:
  externalCIDRs:
    - 192.0.2.0/24
---
values:
  prefix: 2001:db8::/64   # {"$dynamicprefix": "home:prefix"}
  network: 2001:db8:0:0   # {"$dynamicprefix": "home:network"}
"""
NEW = """\
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata:
  name: new
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lb}
spec:
  externalCIDRs: []
"""


def rendered() -> dict[str, str]:
    """Two prefixes after one another, so that there is a history."""
    files = {"home.yaml": PREFIX, "manifest.yaml": MANIFEST.encode()}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    return {path: content.decode() for path, content in files.items()}


def drift_of(files: dict[str, str], *, remembered: bool) -> tuple[list[str], list[str]]:
    """The names of the fields: edited by hand, and new."""
    known = managed_fields(inventory_of(rendered())) if remembered else None
    drift = find_drift(inventory_of(files), known)
    return tuple(
        [f"{one.name}{one.field}" for one in some] for some in (drift.by_hand, drift.first)
    )


def inventory_of(files: dict[str, str]):
    return read_inventory({path: text.encode() for path, text in files.items()}, Settings())


def replaced(old: str, new: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return edit


GROUP, MARKED, NETWORK = "homespec.externalCIDRs", "values.prefix", "values.network"
BY_HAND = {
    "an entry is removed": (replaced('    - "2001:db8:b::5/128"\n', ""), GROUP),
    "a past one is removed": (replaced('    - "2001:db8:a::5/128"\n', ""), GROUP),
    "the entries change places": (
        lambda text: text.replace("db8:a:", "db8:x:").replace("db8:b:", "db8:a:").replace("db8:x:", "db8:b:"),
        GROUP,
    ),
    "a marked value is another of the prefix": (replaced("b::/64", "b::/63"), MARKED),
    "a marked value is the past one": (replaced("prefix: 2001:db8:b::/64", "prefix: 2001:db8:a::/64"), MARKED),
    "a marked network": (replaced("network: 2001:db8:b:0", "network: 2001:db8:a:0"), NETWORK),
}  # fmt: skip


@pytest.mark.parametrize("remembered", [True, False])
@pytest.mark.parametrize(("edit", "field"), BY_HAND.values(), ids=BY_HAND)
def test_what_was_rendered_and_is_not_so_any_more_was_edited(edit, field, remembered):
    """Also after a restart, as long as an address of the prefixes is left."""
    files = rendered()
    files["manifest.yaml"] = edit(files["manifest.yaml"])
    by_hand, first = drift_of(files, remembered=remembered)
    assert field in by_hand
    assert first == []


def test_a_value_that_has_nothing_of_the_prefix_is_known_only_to_who_remembers():
    files = rendered()
    edit = replaced("prefix: 2001:db8:b::/64", "prefix: 2001:db8:c::/64")
    files["manifest.yaml"] = edit(files["manifest.yaml"])
    assert drift_of(files, remembered=True) == ([MARKED], [])
    assert drift_of(files, remembered=False) == ([], [MARKED])


@pytest.mark.parametrize("remembered", [True, False])
def test_what_is_new_was_not_edited(remembered):
    files = rendered()
    files["manifest.yaml"] += NEW
    assert drift_of(files, remembered=remembered) == ([], ["newspec.externalCIDRs"])


POOL = NEW.replace("CiliumCIDRGroup", "CiliumLoadBalancerIPPool").replace("externalCIDRs", "blocks")
FOUND = {
    "an address of the prefix in a block": ("[{start: '2001:db8:b::1', stop: 5}]", ["newspec.blocks"], []),
    "another address in a block": ("[{start: 192.0.2.1, note: '1:2:3:4:5:6:7:8:9', stop: 5}]", [], ["newspec.blocks"]),
}  # fmt: skip


@pytest.mark.parametrize(("blocks", "by_hand", "first"), FOUND.values(), ids=FOUND)
def test_addresses_are_found_in_mappings(blocks: str, by_hand: list[str], first: list[str]):
    """Only there is no memory: an address of the prefix shows that the field was ours."""
    files = rendered()
    files["manifest.yaml"] += POOL.replace("[]", blocks)
    assert drift_of(files, remembered=False) == (by_hand, first)


UNTOUCHED = {
    "nothing": lambda text: text,
    "a comment": lambda text: f"# mine\n{text}",
    "another field": replaced("name: home", "labels: {x: y}\n  name: home"),
    "an entry of theirs": replaced("    - 192.0.2.0/24\n", "    - 192.0.2.0/24\n    - 198.51.100.0/24\n"),
    "quotes": replaced('"2001:db8:b::5/128"', "'2001:db8:b::5/128'"),
    "capitals": replaced("2001:db8:b::5/128", "2001:DB8:B::5/128"),
}  # fmt: skip


@pytest.mark.parametrize("edit", UNTOUCHED.values(), ids=UNTOUCHED)
def test_what_people_change_beside_managed_fields_is_no_drift(edit):
    files = rendered()
    files["manifest.yaml"] = edit(files["manifest.yaml"])
    assert drift_of(files, remembered=True) == ([], [])


def test_before_a_first_prefix_there_is_none():
    assert drift_of(
        {"home.yaml": PREFIX.decode(), "manifest.yaml": MANIFEST}, remembered=False
    ) == ([], [])


EDITS_OF_THE_SPECIFICATION = {
    "a range moves": replaced('start: "::5"', 'start: "::6"'),
    "a range more": replaced("  subnets:\n", '    - {name: more, start: "::1", end: "::2"}\n  subnets:\n'),
    "a range is renamed": replaced("name: low", "name: lower"),
    "it does not fit": replaced("prefixLength: 72", "prefixLength: 60"),
}  # fmt: skip


@pytest.mark.parametrize(
    "edit", EDITS_OF_THE_SPECIFICATION.values(), ids=EDITS_OF_THE_SPECIFICATION
)
def test_a_specification_that_was_edited_moves_fields_that_nobody_touched(edit):
    """Nor is it known then what somebody edited as well."""
    files = rendered()
    files["home.yaml"] = edit(files["home.yaml"])
    assert drift_of(files, remembered=True) == ([], [])
    files["manifest.yaml"] = files["manifest.yaml"].replace("b::/64", "a::/64")
    assert drift_of(files, remembered=True) == ([], [])
