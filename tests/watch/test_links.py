"""rtnetlink messages to links: the messages that count, and any bytes at all."""

import contextlib
import select
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.watch.links import (
    Link,
    Links,
    LinkState,
    Listed,
    Neighbour,
    Reach,
    reach,
    read_links,
    read_neighbours,
)
from tests import netns
from tests.parts import require

NEW, GONE, DONE = 16, 17, 3
UP, RUNNING = 0x1, 0x40


def attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def told(
    kind: int = NEW, *, name: str = "eth0", flags: int = UP | RUNNING, family: int = 0
) -> bytes:
    body = struct.pack("=BxHiII", family, 1, 7, flags, 0)
    body += (
        attribute(13, b"\0\0\0\0")
        + attribute(3, name.encode() + b"\0")
        + attribute(4, b"\0\0\5\xdc")
    )
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body


ETH0 = Link(7, "eth0", up=True)
TABLE = {
    "a link that is up": (told(), [ETH0]),
    "no carrier": (told(flags=UP), [ETH0._replace(up=False)]),
    "down by its owner": (told(flags=0), [ETH0._replace(up=False)]),
    "running, and yet down by its owner": (told(flags=RUNNING), [ETH0._replace(up=False)]),
    "other flags are no matter": (told(flags=0xFFFFFFFF), [ETH0]),
    "removed": (told(GONE), [ETH0._replace(present=False)]),
    "the longest name": (told(name="a" * 15), [ETH0._replace(name="a" * 15)]),
    "a bridge's word about its port": (told(family=socket.AF_BRIDGE), []),
    "another message": (told(24), []),
    "several": (told() + told(GONE) + told(name="lan"), [ETH0, ETH0._replace(present=False), ETH0._replace(name="lan")]),
    "the end of the list": (told() + struct.pack("=IHHIIi", 20, DONE, 2, 1, 0, 0), [ETH0, Listed()]),
    "the end of a list while links came and went": (
        struct.pack("=IHHIIi", 20, DONE, 2 | 0x10, 1, 0, 0), [Listed(consistent=False)],
    ),
    "nothing": (b"", []),
    "a length of 0 is no endless loop": (b"\0" * 64, []),
    "a length below its own header": (struct.pack("=IHHII", 15, NEW, 0, 0, 0), []),
    "a length beyond the datagram": (told()[:-1], []),
    "a link message without a link": (struct.pack("=IHHII", 16, NEW, 0, 0, 0), []),
    "an attribute of length 0": (
        struct.pack("=IHHII", 36, NEW, 0, 0, 0) + struct.pack("=BxHiII", 0, 1, 7, UP | RUNNING, 0) + bytes(4),
        [ETH0._replace(name="")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "expected"), TABLE.values(), ids=list(TABLE))
def test_a_datagram_is_read(messages, expected):
    assert list(read_links(messages)) == expected


@pytest.mark.parametrize("length", range(len(told())))
def test_cut_at_any_length_it_is_nothing(length):
    assert list(read_links(told()[:length])) == []


@given(st.lists(st.binary(max_size=60) | st.just(told()), max_size=5).map(b"".join))
def test_any_bytes_are_links_or_nothing(messages):
    """Nothing is raised, and reading ends."""
    assert len(list(read_links(messages))) <= len(messages)


def test_the_kernel_reports_loopback_and_what_is_missing():
    """Needs no privilege: any process may ask for the links."""
    links = Links({"lo", "nosuchlink"})
    try:
        heard: set[LinkState] = set()
        while len(heard) < 2:
            select.select([links], [], [], 10)
            heard.update(links.read())
        assert links.read() == []
    finally:
        links.close()
    assert {(state.interface, state.index, state.present) for state in heard} == {
        ("lo", 1, True),
        ("nosuchlink", 0, False),
    }


def overflow(node: netns.Namespace) -> None:
    """More changes than a socket holds that nobody reads."""
    node.run(
        "ip", "-batch", "-", input="\n".join(f"link set lo mtu {n}" for n in range(2000, 2900))
    )


@pytest.mark.parametrize("reads", [0, 1, 2, 3])
def test_links_are_known_after_the_kernel_dropped_messages_in_the_middle_of_a_list(reads):
    """A node of a cluster makes and removes many; the daemon may have had no processor meanwhile."""
    require("netns")
    # The kernel sends a list in parts, each when the one before it was read.
    pairs = (f"link add d{number} type veth peer e{number}" for number in range(30))
    with netns.lab() as lab, lab.node.inside():
        lab.node.run("ip", "-batch", "-", input="\n".join(pairs))
        before = LinkState("eth0", socket.if_nametoindex("eth0"), up=True)
        with contextlib.closing(Links({"eth0", "later"})) as links:
            found = [state for _ in range(reads) for state in links.read()]
            # It is in the first part, or in a later one: by the links that the kernel has there.
            assert {*found} <= {before, LinkState("later")}
            overflow(lab.node)
            lab.node.run("ip", "link", "add", "later", "type", "veth", "peer", "another")
            lab.node.run("ip", "link", "delete", "eth0")
            lab.connect()
            eth0 = LinkState("eth0", socket.if_nametoindex("eth0"), up=True)
            later = LinkState("later", socket.if_nametoindex("later"))
            while not {eth0, later} <= {*found}:
                assert select.select([links], [], [], 60)[0], found
                found += links.read()
            # What its routers said before is out of date.
            assert before not in found or LinkState("eth0") in found
            while select.select([links], [], [], 0)[0]:
                found += links.read()
            last = {state.interface: state for state in found}
            assert last == {"eth0": eth0, "later": later}


ROUTER = bytes.fromhex("fe80" + "0" * 27 + "1")


def neighbour(state: int, kind: int = 28) -> bytes:
    body = struct.pack("=BxxxiHBB", socket.AF_INET6, 7, state, 0, 1)
    body += attribute(1, ROUTER) + attribute(2, bytes(6))
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body


NEIGHBOURS = {
    "reachable": (neighbour(0x02), [Neighbour(7, ROUTER, Reach.REACHED)]),
    "stale": (neighbour(0x04), [Neighbour(7, ROUTER, Reach.UNKNOWN)]),
    "failed": (neighbour(0x20), [Neighbour(7, ROUTER, Reach.LOST)]),
    "not resolved yet": (neighbour(0x01), [Neighbour(7, ROUTER, Reach.LOST)]),
    "another message": (neighbour(0x02, kind=24), []),
    "too short": (struct.pack("=IHHII", 20, 28, 2, 1, 0) + bytes(4), []),
    "the end": (struct.pack("=IHHIIi", 20, DONE, 2, 1, 0, 0), [None]),
    "an error": (struct.pack("=IHHIIi", 20, 2, 2, 1, 0, -1), [None]),
}


@pytest.mark.parametrize(("messages", "expected"), NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_neighbours_are_read(messages, expected):
    assert list(read_neighbours(messages)) == expected


@given(st.lists(st.binary(max_size=60) | st.just(neighbour(2)), max_size=5).map(b"".join))
def test_any_bytes_are_neighbours_or_nothing(messages):
    assert len(list(read_neighbours(messages))) <= len(messages)


def test_a_link_that_is_not_there_says_nothing_of_its_routers():
    assert reach("nosuchlink", "fe80::1") is Reach.UNKNOWN


STATES = {"reachable": Reach.REACHED, "failed": Reach.LOST, "stale": Reach.UNKNOWN}


def test_the_kernel_says_whether_it_reaches_a_router():
    require("netns")
    with netns.lab() as lab:
        for state, expected in STATES.items():
            words = ("fe80::77", "dev", "eth0", "lladdr", "02:00:00:00:00:77", "nud", state)
            lab.node.run("ip", "-6", "neighbour", "replace", *words)
            with lab.node.inside():
                assert reach("eth0", "fe80::77") is expected
        with lab.node.inside():
            assert reach("eth0", "fe80::78") is Reach.UNKNOWN
