"""The watcher in a namespace of its own: what it tells of packets, links and routers."""

import contextlib
import queue
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import pytest
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6ND_RS, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.packet import Raw

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.routers import MOST_ROUTERS
from gitops_prefix.plan.ears import Advertised, LinkChanged
from gitops_prefix.watch.advertisements import AdvertisementSource
from gitops_prefix.watch.codec import RejectReason
from gitops_prefix.watch.learnt import SwitchedOff
from gitops_prefix.watch.links import LinkState
from gitops_prefix.watch.raw_socket import RouterAdvertisementSocket
from gitops_prefix.watch.watcher import (
    AnswersRead,
    Dropped,
    Flooded,
    Solicit,
    Solicited,
    Watcher,
)
from tests import netns
from tests.gitrepo import ROOT
from tests.lab_router import SOURCE, header, lab_router, says
from tests.parts import require

A, B = "2001:db8:1234::/64", "2001:db8:5678::/64"


class Seen:
    """What a watcher told, in order."""

    def __init__(self, watcher: Watcher, events: queue.SimpleQueue) -> None:
        self.watcher, self._events = watcher, events

    def next(self, *kinds: type, seconds: float = 60.0):
        """The next event of these kinds; others are passed over."""
        end = time.monotonic() + seconds
        while True:
            event = self._events.get(timeout=max(0.0, end - time.monotonic()))
            if isinstance(event, kinds):
                return event

    def prefixes(self) -> list[str]:
        advertisement = self.next(Advertised).advertisement
        return [str(information.prefix) for information in advertisement.prefixes]

    def link(self) -> tuple[bool, bool]:
        changed = self.next(LinkChanged)
        return changed.present, changed.up


@contextmanager
def watching(node: netns.Namespace, *interfaces: str, others=()):
    """A watcher in the node's namespace that never leaves the first question to chance."""
    events = queue.SimpleQueue()
    with node.inside():
        source = AdvertisementSource(interfaces or (node.link,), chance=lambda: 0.0)
        watcher = Watcher([source, *others], events.put, clock=time.monotonic)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        yield Seen(watcher, events)
    finally:
        watcher.stop()
        thread.join(timeout=60)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def lab():
    require("netns")
    with netns.lab() as made:
        # Else the kernel solicits, too, and nobody knows who asked.
        settings = (f"net.ipv6.conf.{link}.accept_ra=0" for link in ("default", "eth0"))
        made.node.run("sysctl", "-qw", *settings)
        yield made


@pytest.fixture
def router(lab):
    with lab_router(lab.router) as made:
        yield made


def test_radvd_renumbers_and_the_watcher_sees_it(tmp_path):
    """The first advertisement of B comes right behind those of A, and repetitions are told as such."""
    require("netns", "radvd")
    with (
        netns.lab() as lab,
        netns.Radvd(lab, tmp_path).advertising(A) as radvd,
        watching(lab.node) as seen,
    ):
        first = seen.next(Advertised)
        assert not first.repeated
        netns.until(lambda: seen.next(Advertised).repeated, "a repetition")
        radvd.advertise(B)
        renumbered = seen.next(Advertised)
        while renumbered.repeated:
            renumbered = seen.next(Advertised)
        while [str(told.prefix) for told in renumbered.advertisement.prefixes] != [B]:
            # radvd takes leave of A first: its last advertisement has lifetime 0.
            assert renumbered.advertisement.router_lifetime == 0
            renumbered = seen.next(Advertised)
        assert renumbered.router == first.router


def test_ipv6_that_is_off_on_a_link_is_reported_once_and_that_it_is_on_again(lab):
    """Else the log would only say that no router was heard."""
    with (
        lab.node.inside(),
        contextlib.closing(AdvertisementSource(("eth0",), chance=lambda: 0.0)) as source,
    ):
        try:
            lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
            link = LinkState("eth0", socket.if_nametoindex("eth0"), up=True)
            [off] = source.follow(link, 0.0)
            assert "`sysctl -w net.ipv6.conf.eth0.disable_ipv6=0` mends it" in off.reason
            assert not [*source.ready(10.0)]
        finally:
            lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0")
        assert [*source.ready(10_000.0)] == [SwitchedOff("eth0", "", 10_000.0)]


def fragments(message, *, source=SOURCE):
    """One message as two fragments (RFC 8200 4.5)."""
    whole = bytes(header(source) / message)[40:]
    head = header(source) / IPv6ExtHdrFragment(nh=58, id=7, m=1, offset=0) / Raw(whole[:24])
    tail = header(source) / IPv6ExtHdrFragment(nh=58, id=7, m=0, offset=3) / Raw(whole[24:])
    return [head, tail]


FORGED = {
    "a hop limit of 254": ([header(hop_limit=254) / says(A)], RejectReason.HOP_LIMIT),
    "a global source": ([header("2001:db8::1") / says(A)], RejectReason.NOT_LINK_LOCAL),
    "two fragments (RFC 6980)": (fragments(says(A)), RejectReason.FRAGMENT),
    "a fragment header before the whole": (
        [header() / IPv6ExtHdrFragment(nh=58, id=8) / Raw(bytes(header() / says(A))[40:])], RejectReason.FRAGMENT,
    ),
    "code 1": ([header() / ICMPv6ND_RA(code=1, routerlifetime=1800)], RejectReason.CODE),
    "an option of length zero": ([header() / says(A) / Raw(bytes(8))], RejectReason.OPTION_LENGTH_ZERO),
    "an option beyond the packet": ([header() / says(A) / Raw(b"\x03\x04")], RejectReason.OPTION_TRUNCATED),
}  # fmt: skip


@pytest.mark.parametrize(("packets", "reason"), FORGED.values(), ids=list(FORGED))
def test_a_forged_advertisement_is_told_with_its_reason(lab, router, packets, reason):
    with watching(lab.node) as seen:
        seen.next(LinkChanged)
        router.send(*packets)
        router.advertise(B)
        dropped = seen.next(Dropped, Advertised)
        assert isinstance(dropped, Dropped)
        assert dropped.rejected.reason is reason
        assert dropped.router.interface == "eth0"
        assert seen.prefixes() == [B]


WITHOUT_TRACE = {
    "a wrong checksum": header() / ICMPv6ND_RA(cksum=0xDEAD, routerlifetime=1800),
    "a Router Solicitation": header() / ICMPv6ND_RS(),
    "a group that we did not join": header(destination="ff02::99") / says(A),
}


@pytest.mark.parametrize("packet", WITHOUT_TRACE.values(), ids=list(WITHOUT_TRACE))
def test_what_the_kernel_sorts_out_never_comes(lab, router, packet):
    with watching(lab.node) as seen:
        seen.next(LinkChanged)
        router.send(packet)
        router.advertise(B)
        told = seen.next(Dropped, Advertised)
        assert isinstance(told, Advertised)
        assert str(told.advertisement.prefixes[0].prefix) == B


def test_a_valid_advertisement_is_told_with_its_router_and_interface(lab, router):
    with watching(lab.node) as seen:
        seen.next(LinkChanged)
        router.advertise(A)
        router.advertise(A)
        router.send(header() / IPv6ExtHdrDestOpt() / says(A))
        router.advertise(B)
        told = [seen.next(Advertised) for _ in range(4)]
    assert {event.router for event in told} == {Router("eth0", SOURCE)}
    assert [event.repeated for event in told] == [False, True, True, False]


def test_a_repetition_with_another_hop_limit_is_no_repetition(lab, router):
    """The short way past the codec does not open a door."""
    with watching(lab.node) as seen:
        seen.next(LinkChanged)
        router.advertise(A)
        router.send(header(hop_limit=64) / says(A), *fragments(says(A)))
        told = [seen.next(Advertised, Dropped) for _ in range(3)]
    assert [type(event) for event in told] == [Advertised, Dropped, Dropped]


def test_more_routers_than_are_remembered_are_all_told(lab, router):
    with watching(lab.node) as seen:
        seen.next(LinkChanged)
        addresses = [f"fe80::{number:x}" for number in range(1, MOST_ROUTERS + 40)]
        # The kernel keeps some 250 for a reader that is late.
        for some in (addresses[at : at + 50] for at in range(0, len(addresses), 50)):
            for address in some:
                router.send(header(address) / says(A))
            assert [seen.next(Advertised).router.address for _ in some] == some
        router.send(header(addresses[0]) / says(A), header(addresses[-1]) / says(A))
        # The first were pushed out: what they repeat is taken for news.
        assert [seen.next(Advertised).repeated for _ in range(2)] == [False, True]


def test_routers_are_asked_until_one_answers_and_again_when_the_link_is_back(router, lab):
    """RFC 7559, 4861 6.3.7: a router with lifetime 0 is no answer."""
    with watching(lab.node) as seen:
        question = router.solicited()
        assert question.hlim == 255
        assert question.dst == "ff02::2"
        assert question.src.startswith("fe80::")
        router.advertise(A, lifetime=0)
        assert seen.prefixes() == [A]
        router.solicited()
        router.advertise(A)
        assert seen.prefixes() == [A]
        lab.link("down")
        lab.link("up")
        router.solicited()


def test_a_requested_solicitation_is_sent_and_answered_by_radvd(tmp_path):
    """radvd answers within half a second; without the question, it would wait for minutes."""
    require("netns", "radvd")
    with (
        netns.lab() as lab,
        netns.Radvd(lab, tmp_path).advertising(A),
        watching(lab.node) as seen,
    ):
        router = seen.next(Advertised).router
        asked = {}
        for address in ("", router.address):
            seen.watcher.request(Solicit("eth0", address))
            asked[address] = seen.next(Solicited)
            assert seen.next(Advertised).at >= asked[address].at
    assert [(event.interface, event.router) for event in asked.values()] == [
        ("eth0", ""),
        ("eth0", router.address),
    ]


def test_a_requested_solicitation_goes_to_one_router_or_to_all(lab, router):
    with watching(lab.node) as seen:
        router.solicited()
        router.advertise(A)
        seen.next(Advertised)
        lab.node.run(
            "ip", "-6", "neigh", "replace", SOURCE, "lladdr", "02:00:00:00:de:ad", "dev", "eth0"
        )
        seen.watcher.request(Solicit("eth0", SOURCE))
        question = router.solicited()
        assert (question.dst, question.hlim) == (SOURCE, 255)
        seen.watcher.request(Solicit("eth0"))
        assert router.solicited().dst == "ff02::2"


def test_answers_are_over_only_once_all_that_came_in_their_time_was_read(lab, router):
    """A machine that stood still after it asked finds the answer, however late it looks."""
    with lab.node.inside():
        source = AdvertisementSource(["eth0"], chance=lambda: 0.0)
        link = LinkState("eth0", socket.if_nametoindex("eth0"), up=True)
    with contextlib.closing(source):
        source.follow(link, 0.0)
        source.take(Solicit("eth0"), 0.0)
        assert [*source.ready(0.0)] == [Solicited("eth0", "", 0.0)]
        assert source.next_at() < 0, "the time of the answers begins after it was sent"
        router.advertise(A)
        netns.until(lambda: select.select(source.filenos(), [], [], 0)[0], "an advertisement")
        # It stood still for a minute between sending and this turn.
        assert [type(event) for event in source.ready(60.0)] == [Advertised]
        assert source.next_at() == 64.0
        router.advertise(B)
        netns.until(lambda: select.select(source.filenos(), [], [], 0)[0], "another one")
        # And once more.
        heard, read = source.ready(120.0)
        assert isinstance(heard, Advertised)
        assert read == AnswersRead("eth0", 0.0, 120.0)
        assert [*source.ready(180.0)] == []
        source.take(Solicit("eth0"), 200.0)
        assert [*source.ready(200.0)] == [Solicited("eth0", "", 200.0)]
        source.follow(LinkState("eth0", link.index), 201.0)
        assert [*source.ready(300.0)] == [], "nobody answers on a link that is down"


def test_requests_are_not_sent_more_often_than_rfc_4861_lets_a_host(lab, router):
    """RTR_SOLICITATION_INTERVAL is 4 s; what was asked twice meanwhile is asked once."""
    with watching(lab.node) as seen:
        seen.next(LinkChanged)
        # A router has answered, so RFC 7559's back-off, which may ask after 3.6 s, asks no more.
        router.advertise(A)
        seen.next(Advertised)
        begun = time.monotonic()
        for _ in range(50):
            seen.watcher.request(Solicit("eth0"))
        first = seen.next(Solicited)
        for _ in range(50):
            seen.watcher.request(Solicit("eth0"))
        second = seen.next(Solicited)
        assert second.at - first.at >= 4
        # Unless the second fifty took four seconds themselves, on a machine that is busy.
        if time.monotonic() - begun < 5:
            with pytest.raises(queue.Empty):
                seen.next(Solicited, seconds=1)


class Requested:
    """A source that only says which requests the sources before it have taken."""

    interfaces = ()

    def __init__(self) -> None:
        self.taken = []

    def filenos(self):
        return ()

    def next_at(self):
        return float("inf")

    def follow(self, link, now):
        return ()

    def overhear(self, event, now):
        """Nothing."""

    def take(self, request, now):
        self.taken.append(request)

    def ready(self, now):
        return ()

    def close(self):
        """Nothing is open."""


def test_a_request_for_another_link_or_one_that_is_down_is_ignored(lab, router):
    requested = Requested()
    with watching(lab.node, others=[requested]) as seen:
        seen.next(LinkChanged)
        lab.link("down")
        seen.next(LinkChanged)
        seen.watcher.request(Solicit("eth7"))
        seen.watcher.request(Solicit("eth0"))
        netns.until(lambda: len(requested.taken) == 2, "the requests")
        lab.link("up")
        seen.next(LinkChanged)
        seen.watcher.request(Solicit("eth0", SOURCE))
        assert seen.next(Solicited)[:2] == ("eth0", SOURCE)


def test_a_link_is_followed_through_its_life(lab, router):
    """Down, up, renamed away and back: each is reported, and advertisements are heard again after each."""
    with watching(lab.node) as seen:
        assert seen.link() == (True, True)
        lab.link("down")
        assert seen.link() == (True, False)
        lab.link("up")
        assert seen.link() == (True, True)
        router.advertise(A)
        assert seen.prefixes() == [A]
        lab.link("down")
        assert seen.link() == (True, False)
        lab.node.run("ip", "link", "set", "eth0", "name", "other")
        assert seen.link() == (False, False)
        lab.node.run("ip", "link", "set", "other", "up")
        lab.node.run("ip", "link", "set", "other", "down")
        lab.node.run("ip", "link", "set", "other", "name", "eth0")
        assert seen.link() == (True, False)
        lab.link("up")
        assert seen.link() == (True, True)
        router.advertise(B)
        assert seen.prefixes() == [B]


def test_what_still_waits_in_the_socket_when_its_link_goes_down_is_not_heard(lab, router):
    """Else a router would be believed on a link where nobody can ask it whether it is there."""
    with lab.node.inside():
        source = AdvertisementSource([lab.node.link], chance=lambda: 0.0)
        index = socket.if_nametoindex(lab.node.link)
    with contextlib.closing(source):
        source.follow(LinkState(lab.node.link, index, up=True), 0.0)
        router.advertise(A)
        netns.until(lambda: select.select(source.filenos(), [], [], 0)[0], "an advertisement")
        lab.link("down")
        source.follow(LinkState(lab.node.link, index, up=False), 1.0)
        assert list(source.ready(1.0)) == []
        lab.link("up")
        source.follow(LinkState(lab.node.link, index, up=True), 2.0)
        router.advertise(B)
        netns.until(lambda: select.select(source.filenos(), [], [], 0)[0], "another one")
        heard = [event for event in source.ready(2.0) if isinstance(event, Advertised)]
        assert [str(found.prefix) for found in heard[0].advertisement.prefixes] == [B]


def test_what_waits_in_the_socket_when_its_link_was_down_for_a_moment_is_not_heard(lab, router):
    """Both changes of the link are read at once by whoever stood still. The router may be another."""
    with lab.node.inside():
        source = AdvertisementSource([lab.node.link], chance=lambda: 1.0)
        index = socket.if_nametoindex(lab.node.link)
    with contextlib.closing(source):
        source.follow(LinkState(lab.node.link, index, up=True), 0.0)
        router.advertise(A)
        netns.until(lambda: select.select(source.filenos(), [], [], 0)[0], "an advertisement")
        for up in (False, True):
            source.follow(LinkState(lab.node.link, index, up=up), 1.0)
        assert source.next_at() <= 1.0, "it is read before anything else comes"
        assert list(source.ready(1.0)) == []
        assert source.next_at() == 2.0
        router.advertise(B)
        netns.until(lambda: select.select(source.filenos(), [], [], 0)[0], "another one")
        heard = [event for event in source.ready(1.5) if isinstance(event, Advertised)]
        assert [str(found.prefix) for found in heard[0].advertisement.prefixes] == [B]


def test_a_link_without_an_address_is_asked_soon_after_it_has_one():
    """Duplicate address detection takes a second or two, in which nothing can be sent."""
    require("netns")
    with netns.lab() as lab:
        settings = ("net.ipv6.conf.eth0.accept_ra=0", "net.ipv6.conf.eth0.addr_gen_mode=1")
        lab.node.run("sysctl", "-qw", *settings)
        lab.node.run("ip", "-6", "address", "flush", "dev", "eth0")
        with lab.node.inside():
            source = AdvertisementSource(["eth0"], chance=lambda: 0.0)
            link = LinkState("eth0", socket.if_nametoindex("eth0"), up=True)
        with contextlib.closing(source), lab_router(lab.router) as router:
            source.follow(link, 0.0)
            source.take(Solicit("eth0"), 0.0)
            refused = "Cannot assign requested address"
            assert [*source.ready(0.0)] == [Solicited("eth0", "", 0.0, refused)]
            assert source.next_at() == 1.0
            assert [*source.ready(1.0)] == []
            assert source.next_at() == 3.0
            lab.node.run("ip", "address", "add", "fe80::5/64", "dev", "eth0", "nodad")
            source.take(Solicit("eth0"), 1.5)
            assert [*source.ready(10.0)] == [Solicited("eth0", "", 10.0)]
            assert router.solicited().src == "fe80::5"
            assert [*source.ready(10.1)] == []
            assert source.next_at() == 13.6


def test_a_link_that_is_removed_comes_back_with_another_index():
    require("netns")
    with netns.lab() as lab, watching(lab.node) as seen:
        assert seen.link() == (True, True)
        before = index(lab.node)
        lab.node.run("ip", "link", "del", "eth0")
        while (told := seen.link()) != (False, False):
            assert told == (True, False)  # its carrier goes first
        lab.node.run("ip", "link", "add", "spare", "type", "bridge")
        lab.connect()
        while seen.link() != (True, True):
            pass
        assert index(lab.node) != before
        with lab_router(lab.router) as router:
            router.advertise(A)
            assert seen.prefixes() == [A]


def index(node: netns.Namespace) -> str:
    return node.run("cat", "/sys/class/net/eth0/ifindex").stdout


def test_links_that_are_made_anew_again_and_again_do_not_use_up_the_memberships():
    """The kernel keeps those of removed links: thousands later, no link could be joined."""
    require("netns")
    with netns.lab() as lab:
        room = "/proc/sys/net/core/optmem_max"
        if lab.node.run("sh", "-c", f"test -w {room} && echo yes || true").stdout.strip() != "yes":
            pytest.skip("needs a kernel that has net.core.optmem_max in each namespace (6.8)")
        lab.node.run("sysctl", "-qw", "net.core.optmem_max=1024")
        with watching(lab.node) as seen:
            for _ in range(40):
                lab.node.run("ip", "link", "del", "eth0")
                while seen.link() != (False, False):
                    pass
                lab.node.run("ip", "link", "add", "eth0", "type", "bridge")
                while not seen.link()[0]:
                    pass
            lab.node.run("ip", "link", "del", "eth0")
            lab.connect()
            with lab_router(lab.router) as router:
                router.advertise(A)
                assert seen.prefixes() == [A]
            assert members(lab.node) == 2


def members(node: netns.Namespace) -> int:
    """Who is in the all-nodes group on eth0: the kernel itself (RFC 4291 2.8), and sockets."""
    lines = node.run("cat", "/proc/net/igmp6").stdout.splitlines()
    [users] = [
        int(line.split()[3]) for line in lines if " eth0 " in line and f"ff02{'0' * 27}1" in line
    ]
    return users


def test_the_membership_is_kept_through_the_life_of_a_link(lab):
    with watching(lab.node) as seen:
        assert seen.link() == (True, True)
        assert members(lab.node) == 2
        lab.link("down")
        seen.link()
        lab.link("up")
        seen.link()
        assert members(lab.node) == 2
        lab.link("down")
        seen.link()
        lab.node.run("ip", "link", "set", "eth0", "name", "other")
        assert seen.link() == (False, False)
        lab.node.run("ip", "link", "set", "other", "name", "eth0")
        seen.link()
        lab.link("up")
        assert seen.link() == (True, True)
        assert members(lab.node) == 2
    assert members(lab.node) == 1


def test_a_link_that_is_made_anew_is_asked_again(lab):
    """The router answers solicitations alone: without ours it would say nothing for minutes."""
    with watching(lab.node) as seen:
        assert seen.link() == (True, True)
        lab.node.run("ip", "link", "del", "eth0")
        while seen.link() != (False, False):
            pass
        lab.connect()
        with lab_router(lab.router) as router:
            assert router.solicited().hlim == 255
            router.advertise(A)
            assert seen.prefixes() == [A]


@pytest.mark.parametrize("mtu", [1280, 9000])
def test_another_mtu_is_no_news(lab, router, mtu):
    """The kernel reports it as any change of a link: nothing is reported further, all is heard."""
    with watching(lab.node) as seen:
        assert seen.link() == (True, True)
        lab.node.run("ip", "link", "set", "eth0", "mtu", str(mtu))
        router.advertise(A)
        told = seen.next(LinkChanged, Advertised)
        assert isinstance(told, Advertised)
    lab.node.run("ip", "link", "set", "eth0", "mtu", "1500")


def test_an_mtu_too_small_for_ipv6_and_back(lab):
    """RFC 8200 5: below 1280 the kernel takes IPv6 off the link, and every group with it."""
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        assert seen.link() == (True, True)
        lab.node.run("ip", "link", "set", "eth0", "mtu", "1000")
        lab.node.run("ip", "link", "set", "eth0", "mtu", "1500")
        netns.until(lab.node.has_address, "a link-local address")
        router.advertise(A)
        assert seen.prefixes() == [A]


def test_a_link_without_ipv6_at_the_start_is_heard_and_asked_when_it_has_it(lab):
    lab.node.run("ip", "link", "set", "eth0", "mtu", "1000")
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        assert seen.link() == (True, True)
        lab.node.run("ip", "link", "set", "eth0", "mtu", "1500")
        netns.until(lab.node.has_address, "a link-local address")
        router.solicited()
        router.advertise(A)
        assert seen.prefixes() == [A]


def test_among_hundreds_of_links_none_is_taken_for_missing():
    """The kernel's list takes several reads; only at its end is it known what is not there."""
    require("netns")
    with netns.lab() as lab:
        names = [*(f"v{number}" for number in range(150)), "late"]
        pairs = [f"link add {name} type veth peer name {name}p\n" for name in names]
        lab.node.run("ip", "-batch", "-", input="".join(pairs))
        with watching(lab.node, "late", "missing") as seen:
            told = [seen.next(LinkChanged) for _ in range(2)]
    assert [(event.interface, event.present) for event in told] == [
        ("late", True),
        ("missing", False),
    ]


def test_a_watcher_that_is_stopped_twice_is_stopped():
    require("netns")
    with netns.lab() as lab, watching(lab.node) as seen:
        seen.next(LinkChanged)
        seen.watcher.stop()


def test_a_removal_that_the_kernel_had_no_room_to_tell_is_found_out():
    """A sink that blocks while hundreds of links change: the list is asked for again."""
    require("netns")
    with netns.lab() as lab:
        went_on, told = threading.Event(), queue.SimpleQueue()

        def slow_sink(event):
            told.put(event)
            went_on.wait(timeout=120)

        with lab.node.inside():
            source = AdvertisementSource(["eth0"], chance=lambda: 0.0)
            watcher = Watcher([source], slow_sink, clock=time.monotonic)
        thread = threading.Thread(target=watcher.run)
        thread.start()
        assert told.get(timeout=60).present
        changes = "link add noise type bridge\n" + "link set noise up\nlink set noise down\n" * 400
        lab.node.run("ip", "-batch", "-", input=changes + "link del eth0\n")
        went_on.set()
        try:
            while told.get(timeout=60).present:
                pass
        finally:
            watcher.stop()
            thread.join(timeout=60)


def test_the_kernel_drops_all_but_the_vouched_routers_while_told_to(lab, router):
    """Every word of the address counts, and afterwards everybody is heard again."""
    named = ["fe80::1", "fe80:1:2:3:4:5:6:7"]
    almost = ["fe80::2", "fe80:9:2:3:4:5:6:7", "fe80:1:2:9:4:5:6:7", "fe80:1:2:3:4:9:6:7"]
    with lab.node.inside():
        packets = RouterAdvertisementSocket()
        index = socket.if_nametoindex(lab.node.link)
    with contextlib.closing(packets):
        packets.join(index)
        packets.hear_only(socket.inet_pton(socket.AF_INET6, text) for text in named)
        router.send(*(header(source) / says(A) for source in [*almost, *named]))
        filtered = [heard_from(packets) for _ in named]
        packets.hear_all()
        router.send(header("fe80::2") / says(A))

        assert filtered == named
        assert heard_from(packets) == "fe80::2"


def heard_from(packets):
    packet = netns.until(packets.receive, "a packet")
    return socket.inet_ntop(socket.AF_INET6, packet.source)


def test_more_than_can_be_read_is_a_flood_in_which_a_vouched_router_is_heard(lab, router):
    """The watcher says so, hears the router, and hears everybody again afterwards."""
    events = queue.SimpleQueue()

    def slow_sink(event):
        events.put(event)
        if events.qsize() % 100 == 0:
            # However few cores there are, those who send fill the kernel's buffer meanwhile.
            time.sleep(0.02)

    with lab.node.inside():
        source = AdvertisementSource([lab.node.link], chance=lambda: 0.0, vouched=lambda: [SOURCE])
        watcher = Watcher([source], slow_sink, clock=time.monotonic)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    seen = Seen(watcher, events)
    flood = [sys.executable, "-m", "tests.flood", lab.router.link, "1000000", "2"]
    try:
        with ExitStack() as senders:
            started = [
                senders.enter_context(lab.router.start(*flood, stdout=subprocess.DEVNULL, cwd=ROOT))
                for _ in range(3)
            ]
            seen.next(Flooded)
            # The first may meet a buffer that is still full of the flood.
            netns.until(lambda: is_heard(router, events, SOURCE), "the router that counts")
            for sender in started:
                sender.wait(timeout=120)
        netns.until(lambda: is_heard(router, events, "fe80::57"), "a stranger, after the flood")
    finally:
        watcher.stop()
        thread.join(timeout=60)


def is_heard(router, events, source):
    router.send(header(source) / says(A))
    while not events.empty():
        event = events.get()
        if isinstance(event, Advertised) and event.router.address == source:
            return True
    return False
