"""Blocks of a Cilium pool: past ones are shorter, so that LB-IPAM takes the current one first."""

from ipaddress import IPv6Address

import pytest
from ruamel.yaml import YAML

from gitops_prefix.decide.prefix import Prefix
from tests.render.lists import POOL
from tests.render.repository import PREFIX, A, B, C, render_once

LAST = IPv6Address("::ffff:ffff:ffff:ffff")
EMPTY = POOL + "spec:\n  blocks: []\n"
D = Prefix.parse("2001:db8:d::/64")


def blocks(pool: str, *prefixes: Prefix, transition: str = "", kind: bytes = PREFIX) -> list[tuple]:
    """The blocks of `pool` after one prefix after another, as (start, stop) or (cidr,)."""
    files = {"home.yaml": kind + transition.encode(), "pool.yaml": pool.encode()}
    for hour, prefix in enumerate(prefixes):
        rendering = render_once(files, prefix, hour)
        assert not {problem.code for problem in rendering.problems} - {"raw-prefix"}
        files |= rendering.files
        assert render_once(files, prefix, hour + 1).files == {}
    return [
        tuple(map(str, entry.values()))
        for entry in YAML().load(files["pool.yaml"])["spec"]["blocks"]
    ]


def block(prefix: Prefix, shorter: int = 0) -> tuple[str, str]:
    stop = IPv6Address(int(LAST) + prefix.network - shorter)
    return (str(IPv6Address(prefix.network + 0xF000 * 2**48)), str(stop))


def test_comments_between_empty_brackets_stay():
    pool = POOL + "spec:\n  blocks: [  # none yet\n    # - cidr: 10.0.0.0/8\n  ]\n"
    assert blocks(pool, A) == [block(A)]
    rendering = render_once({"home.yaml": PREFIX, "pool.yaml": pool.encode()}, A)
    before, closing = pool.removesuffix("  ]\n"), "  ]\n"
    written = rendering.files["pool.yaml"].decode()
    assert written.startswith(before + '    {start: "2001:db8:a:0:f000::"')
    assert written.endswith(f"\n{closing}")


@pytest.mark.parametrize(
    ("prefixes", "expected"),
    [
        ((A,), [(A, 0)]),
        ((A, B), [(B, 0), (A, 1)]),
        ((A, B, C), [(C, 0), (B, 1), (A, 2)]),
        ((A, B, C, D), [(D, 0), (C, 1), (B, 2)]),
        ((A, B, A), [(A, 0), (B, 1)]),
        ((A, B, A, C), [(C, 0), (A, 1), (B, 2)]),
    ],
)
def test_past_block_number_i_is_i_addresses_shorter(prefixes, expected):
    assert blocks(EMPTY, *prefixes) == [block(*one) for one in expected]


@pytest.mark.parametrize("most", range(11))
def test_every_length_of_the_history(most):
    prefixes = [Prefix.parse(f"2001:db8:{number:x}::/64") for number in range(1, 14)]
    found = blocks(EMPTY, *prefixes, transition=f"  transition: {{maxPrefixHistory: {most}}}\n")
    newest = prefixes[::-1][: most + 1]
    assert found == [block(prefix, number) for number, prefix in enumerate(newest)]


def test_in_mode_ha_blocks_stay_whole():
    """Services pin their addresses there, the last one of a range too."""
    found = blocks(EMPTY, A, B, C, transition="  transition: {mode: ha}\n")
    assert found == [block(C), block(B), block(A)]


def test_a_change_of_the_mode_replaces_the_blocks():
    """Whole and shorter blocks are ours in either mode."""
    files = {"home.yaml": PREFIX, "pool.yaml": EMPTY.encode()}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    shorter = files["pool.yaml"]
    files["home.yaml"] = files["home.yaml"].replace(
        b"  subnets:", b"  transition: {mode: ha}\n  subnets:", 1
    )
    files |= render_once(files, B, 3).files
    assert b"fffe" not in files["pool.yaml"]
    files["home.yaml"] = files["home.yaml"].replace(b"mode: ha", b"mode: simple")
    files |= render_once(files, B, 4).files
    assert files["pool.yaml"] == shorter


def test_a_block_that_an_older_version_wrote_whole_is_replaced():
    files = {"home.yaml": PREFIX, "pool.yaml": EMPTY.encode()}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    right = files["pool.yaml"]
    files["pool.yaml"] = right.replace(b":fffe", b":ffff")
    rendering = render_once(files, B, 3)
    assert not rendering.problems
    assert rendering.files["pool.yaml"] == right


def test_a_block_that_was_put_back_to_another_length_is_ours():
    """Somebody reverted the pool alone: its block of A has the length of an earlier commit."""
    files = {"home.yaml": PREFIX, "pool.yaml": EMPTY.encode()}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    earlier = files["pool.yaml"]
    files |= render_once(files, C, 3).files
    right = files["pool.yaml"]
    files["pool.yaml"] = earlier
    assert render_once(files, C, 4).files == {"pool.yaml": right}


def test_a_subnet_and_the_raw_prefix_end_earlier_as_ranges():
    subnet = POOL.replace("address-range: lb", "subnet: low") + "spec: {}\n"
    assert blocks(subnet, A, B) == [
        ("2001:db8:b:0:100::/72",),
        ("2001:db8:a:0:100::", "2001:db8:a:0:1ff:ffff:ffff:fffe"),
    ]
    raw = POOL.replace(", dynamic-prefix.io/address-range: lb", "") + "spec: {}\n"
    assert blocks(raw, A, B) == [
        ("2001:db8:b::/64",),
        ("2001:db8:a::", "2001:db8:a:0:ffff:ffff:ffff:fffe"),
    ]


def test_a_range_without_room_stays_whole():
    """`odd` has six addresses: past prefix number six would be empty."""
    pool = POOL.replace("address-range: lb", "address-range: odd") + "spec: {}\n"
    prefixes = [Prefix.parse(f"2001:db8:{number:x}::/64") for number in range(1, 9)]
    found = blocks(pool, *prefixes, transition="  transition: {maxPrefixHistory: 10}\n")
    assert [stop.rpartition(":")[2] for _, stop in found] == [
        "a",
        "9",
        "8",
        "7",
        "6",
        "5",
        "a",
        "a",
    ]
