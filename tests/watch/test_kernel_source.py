"""What the kernel has, in a namespace of its own: real links, real addresses."""

import os
import queue
import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest

from gitops_prefix.plan.ears import Accepted, Advertised, LinkChanged
from gitops_prefix.watch.advertisements import AdvertisementSource
from gitops_prefix.watch.kernel import KernelSocket, KernelSource
from gitops_prefix.watch.learnt import KernelNotice
from gitops_prefix.watch.links import LinkState
from gitops_prefix.watch.watcher import Deaf, Watcher
from tests import netns
from tests.lab_router import header, lab_router, says
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

    def link(self, *states: tuple[bool, bool]) -> None:
        """The link goes through these states, (present, up) each, and no others."""
        for state in states:
            changed = self.next(LinkChanged)
            assert (changed.present, changed.up) == state

    def until(self, *prefixes: str) -> Accepted:
        """The event that says these prefixes, and no others."""
        while True:
            event = self.next(Accepted)
            if {str(found.information.prefix) for found in event.prefixes} == set(prefixes):
                return event


@contextmanager
def watching(node: netns.Namespace, *interfaces: str, others=()):
    events = queue.SimpleQueue()
    with node.inside():
        source = KernelSource(interfaces or (node.link,))
        watcher = Watcher([source, *others], events.put, clock=time.monotonic)

    def run():
        # What /proc says depends on who reads it.
        with node.inside():
            watcher.run()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Seen(watcher, events)
    finally:
        watcher.stop()
        thread.join(timeout=60)
        assert not thread.is_alive()


@pytest.fixture
def lab():
    require("netns")
    with netns.lab() as made:
        yield made


def test_what_the_kernel_takes_is_told_with_its_lifetimes(lab):
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        seen.link((True, True))
        sent = time.monotonic()
        router.advertise(A, B, valid=7200, preferred=3600)
        event = seen.until(A, B)
        lifetimes = {
            (found.information.valid_lifetime, found.information.preferred_lifetime)
            for found in event.prefixes
        }
        assert lifetimes == {(7200, 3600)}
        assert all(
            found.information.on_link and found.information.autonomous for found in event.prefixes
        )
        assert all(sent - 1 < found.heard_at <= event.at for found in event.prefixes)


def test_an_advertised_withdrawal_is_told_though_the_kernel_keeps_the_address(lab):
    """RFC 4862 5.5.3 e: the address stays for two hours; what was advertised is 0."""
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        router.advertise(A)
        seen.until(A)
        router.advertise(A, valid=0, preferred=0)
        while seen.until(A).prefixes[0].information.valid_lifetime:
            pass


def test_an_on_link_prefix_without_addresses_is_told(lab):
    """A = 0: hosts get their addresses by DHCPv6, and the kernel has none of it."""
    message = says(A)
    message.getlayer("ICMPv6NDOptPrefixInfo").A = 0
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        seen.link((True, True))
        router.send(header() / message)
        [found] = seen.until(A).prefixes
    assert (found.information.on_link, found.information.autonomous) == (True, False)


def test_a_notice_that_waits_when_its_link_was_down_for_a_moment_is_not_heard(lab):
    """Both changes of the link are read at once by whoever stood still. The router may be another."""
    message = says(A)
    message.getlayer("ICMPv6NDOptPrefixInfo").A = 0
    with lab.node.inside():
        # The first listener is served last: what it has, the other one has, too.
        witness = KernelSocket()
        source = KernelSource(["eth0", "other"])
        index = socket.if_nametoindex("eth0")
    with closing(witness), closing(source), lab_router(lab.router) as router:
        up, down = (LinkState("eth0", index, up=state) for state in (True, False))

        def heard():
            return [event for event in source.ready(1.0) if isinstance(event, Accepted)]

        def advertise():
            router.send(header() / message)
            netns.until(
                lambda: any(isinstance(each, KernelNotice) for each in witness.read()), "a notice"
            )

        assert [event for event in source.follow(up, 0.0) if isinstance(event, Accepted)]
        netns.until(heard, "the list of addresses")
        advertise()
        for state in (down, up):
            assert not prefixes([*source.follow(state, 1.0)])
        assert not prefixes(netns.until(heard, "the list of addresses"))
        advertise()
        netns.until(lambda: A in prefixes(heard()), "the notice")
        # A notice of another link is reported, though a link changes meanwhile.
        advertise()
        [*source.follow(LinkState("other"), 2.0)]
        assert source.next_at() < 2.0
        assert A in prefixes(heard())


def test_what_was_there_before_is_told_at_the_start_with_its_age(lab):
    """From the address: when it came, and when it was last renewed."""
    with lab_router(lab.router) as router:
        with watching(lab.node) as seen:
            sent = time.monotonic()
            router.advertise(A, valid=7200, preferred=3600)
            first = seen.until(A).prefixes[0]
        has_address(lab, "2001:db8:1234:")
        with watching(lab.node) as seen:
            [again] = seen.until(A).prefixes
    # The watcher may have read it late; the kernel says when it came.
    for known in (again.heard_at, again.appeared_at):
        assert sent - 1 < known < first.heard_at + 1
    assert abs(again.information.valid_lifetime - 7200) <= 1
    assert abs(again.information.preferred_lifetime - 3600) <= 1


def test_one_watcher_hears_routers_and_the_kernel(lab):
    """The link is reported once, and an advertisement by both sources."""
    with lab.node.inside():
        heard = AdvertisementSource([lab.node.link], chance=lambda: 0.0)
    with watching(lab.node, others=[heard]) as seen, lab_router(lab.router) as router:
        seen.link((True, True))
        router.advertise(A)
        events = [seen.next(Advertised, Accepted, LinkChanged)]
        while not ({Advertised} <= set(map(type, events)) and A in prefixes(events)):
            events.append(seen.next(Advertised, Accepted, LinkChanged))
    assert LinkChanged not in map(type, events)


def prefixes(events: list) -> set[str]:
    accepted = [event for event in events if isinstance(event, Accepted)]
    return {str(found.information.prefix) for event in accepted for found in event.prefixes}


BY_HAND = {
    "an address set for ever": ("2001:db8:77::1/64",),
    "an address of its own": ("2001:db8:77::1/128", "valid_lft", "100", "preferred_lft", "50"),
    "a link-local address": ("fe80::77/64",),
}


@pytest.mark.parametrize("words", BY_HAND.values(), ids=list(BY_HAND))
def test_what_was_set_by_hand_is_no_prefix(lab, words):
    lab.node.run("ip", "-6", "address", "add", *words, "dev", "eth0", "nodad")
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        seen.link((True, True))
        router.advertise(A)
        seen.until(A)


def test_an_address_that_another_program_made_of_an_advertisement_counts(lab):
    """NetworkManager and systemd-networkd take advertisements for the kernel, and set lifetimes."""
    lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=0")
    with watching(lab.node) as seen:
        seen.until()
        words = ("2001:db8:1234::5/64", "valid_lft", "7200", "preferred_lft", "3600")
        lab.node.run("ip", "-6", "address", "add", *words, "dev", "eth0", "nodad")
        [found] = seen.until(A).prefixes
        assert found.information.preferred_lifetime == 3600
        lab.node.run("ip", "-6", "address", "del", words[0], "dev", "eth0")
        seen.until()


def test_a_link_that_another_client_manages_is_not_called_deaf(lab):
    """systemd-networkd and NetworkManager switch the kernel's client off and renew the addresses."""
    words = ("2001:db8:1234::5/64", "valid_lft", "7200", "preferred_lft", "3600")
    lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=0")
    lab.node.run("ip", "-6", "address", "add", *words, "dev", "eth0", "nodad")
    with watching(lab.node) as seen:
        assert seen.next(Deaf).reason == ""
        lab.node.run("ip", "-6", "address", "replace", *words, "dev", "eth0", "nodad")
        seen.until(A)
        lab.node.run("ip", "-6", "address", "del", words[0], "dev", "eth0")
        assert "accept_ra is 0" in seen.next(Deaf).reason
        lab.node.run("ip", "-6", "address", "add", *words, "dev", "eth0", "nodad")
        assert seen.next(Deaf).reason == ""


def test_an_address_that_the_kernel_made_before_it_was_switched_off_is_no_client(lab):
    """It is not renewed: the advice stays."""
    if tuple(map(int, os.uname().release.split(".")[:2])) < (5, 18):
        pytest.skip("needs a kernel that says who made an address (Linux 5.18)")
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        router.advertise(A)
        seen.until(A)
        has_address(lab, "2001:db8:1234:")
        lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=0")
        lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.forwarding=1")
        while "accept_ra is 0" not in seen.next(Deaf).reason:
            pass


SETTINGS = {
    "off": (("accept_ra=0",), "accept_ra is 0", "accept_ra=2"),
    "a node that forwards": (
        ("accept_ra=1", "forwarding=1"), "accept_ra is 1, and forwarding is on", "accept_ra=2",
    ),
    "without their prefixes": (("accept_ra_pinfo=0",), "accept_ra_pinfo is 0", "accept_ra_pinfo=1"),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "why", "remedy"), SETTINGS.values(), ids=list(SETTINGS))
def test_a_kernel_that_takes_nothing_is_told_with_the_remedy(lab, settings, why, remedy):
    """And the remedy of the message mends it."""
    lab.node.run("sysctl", "-qw", *(f"net.ipv6.conf.eth0.{setting}" for setting in settings))
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        reason = seen.next(Deaf).reason
        assert why in reason
        lab.node.run(*reason.partition("`")[2].partition("`")[0].split())
        assert remedy in reason
        router.advertise(A)
        seen.until(A)


def test_a_link_that_is_full_of_addresses_is_told_with_the_remedy(lab):
    """An ISP that renumbers daily, with lifetimes of weeks: the kernel takes sixteen, and no more."""
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        assert seen.next(Deaf).reason == ""
        router.advertise(*(f"2001:db8:{number:x}::/64" for number in range(1, 16)))
        reason = seen.next(Deaf).reason
        assert "it has 16 addresses there" in reason
        lab.node.run(*reason.partition("`")[2].partition("`")[0].split())
        router.advertise(A)
        while A not in {str(found.information.prefix) for found in seen.next(Accepted).prefixes}:
            pass


def test_a_node_that_begins_to_forward_is_told(lab):
    """What a cluster's network does minutes after the daemon began."""
    lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=1")
    with watching(lab.node) as seen:
        assert seen.next(Deaf).reason == ""
        lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.forwarding=1")
        assert "forwarding is on" in seen.next(Deaf).reason
        lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.forwarding=0")
        assert seen.next(Deaf).reason == ""


def test_a_link_is_followed_through_its_life(lab):
    """Down, up, renamed away and back: what the kernel has is reported after each."""
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        seen.link((True, True))
        router.advertise(A)
        seen.until(A)
        lab.link("down")
        seen.link((True, False))
        seen.until()
        lab.link("up")
        seen.link((True, True))
        netns.until(lab.node.has_address, "a link-local address")
        router.advertise(B)
        seen.until(B)
        lab.link("down")
        seen.link((True, False))
        lab.node.run("ip", "link", "set", "eth0", "name", "other")
        seen.link((False, False))
        lab.node.run("ip", "link", "set", "other", "name", "eth0")
        seen.link((True, False))
        lab.link("up")
        seen.link((True, True))
        netns.until(lab.node.has_address, "a link-local address")
        router.advertise(A)
        seen.until(A)


def test_a_link_that_only_loses_its_carrier_keeps_what_it_had(lab):
    """The other side goes down: addresses stay, and are told again when it is back."""
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        router.advertise(A)
        before = seen.until(A).prefixes[0]
        has_address(lab, "2001:db8:1234:")
        lab.router.run("ip", "link", "set", "lan0", "down")
        seen.until()
        lab.router.run("ip", "link", "set", "lan0", "up")
        after = seen.until(A).prefixes[0]
    assert after.heard_at - before.heard_at < 1


def test_a_link_that_comes_late_and_comes_back_with_another_index():
    require("netns")
    with netns.lab() as lab:
        lab.node.run("ip", "link", "del", "eth0")
        with watching(lab.node) as seen:
            seen.link((False, False))
            lab.connect()
            with lab_router(lab.router) as router:
                router.advertise(A)
                seen.until(A)
            before = index(lab.node)
            lab.node.run("ip", "link", "del", "eth0")
            seen.until()
            lab.node.run("ip", "link", "add", "spare", "type", "bridge")
            lab.connect()
            with lab_router(lab.router) as router:
                router.advertise(B)
                seen.until(B)
            assert index(lab.node) != before


def test_another_mtu_changes_nothing(lab):
    """It is a link event all the same: the prefix stays, and the link does not seem to go."""
    with watching(lab.node) as seen, lab_router(lab.router) as router:
        seen.link((True, True))
        router.advertise(A)
        seen.until(A)
        lab.node.run("ip", "link", "set", "eth0", "mtu", "1280")
        router.advertise(A, B)
        while (
            not isinstance(event := seen.next(LinkChanged, Accepted), Accepted)
            or len(event.prefixes) < 2
        ):
            assert isinstance(event, Accepted)


def test_hundreds_of_addresses_at_once_are_told_in_the_end(lab):
    """A sink that blocks meanwhile: the kernel's buffer overflows, and it is asked again."""
    went_on, told = threading.Event(), queue.SimpleQueue()

    def slow_sink(event):
        told.put(event)
        went_on.wait(timeout=120)

    with lab.node.inside():
        source = KernelSource(["eth0"])
        watcher = Watcher([source], slow_sink, clock=time.monotonic)
    [fileno] = source.filenos()
    with socket.socket(fileno=os.dup(fileno)) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    assert told.get(timeout=60).present
    words = "dev eth0 valid_lft 7200 preferred_lft 3600 nodad"
    lines = [f"address {verb} 2001:db8:9::{n:x}/64 {words if verb == 'add' else 'dev eth0'}\n"
             for n in range(1, 300) for verb in ("add", "del")]  # fmt: skip
    lab.node.run(
        "ip",
        "-6",
        "-batch",
        "-",
        input="".join(lines) + f"address add 2001:db8:1234::1/64 {words}\n",
    )
    went_on.set()
    seen = Seen(watcher, told)
    try:
        seen.until(A)
    finally:
        watcher.stop()
        thread.join(timeout=60)


def index(node: netns.Namespace) -> str:
    return node.run("cat", "/sys/class/net/eth0/ifindex").stdout


def has_address(lab: netns.Lab, start: str) -> None:
    """Duplicate address detection may take a second."""
    netns.until(
        lambda: (
            start in lab.node.run("ip", "-6", "address", "show", "dev", "eth0", "-tentative").stdout
        ),
        f"an address in {start}",
    )
