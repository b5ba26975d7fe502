"""Real DHCPv6 servers in the router's namespace, and a client of ours that listens to them."""

import json
import queue
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from gitops_prefix.decide.advertisement import PrefixInformation
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Delegation
from gitops_prefix.plan.ears import Advertised, Given
from gitops_prefix.watch.dhcpv6 import DelegationSource
from gitops_prefix.watch.dhcpv6_codec import (
    Association,
    DelegatedPrefix,
    Dhcpv6Message,
    MessageType,
    decode,
    encode,
)
from gitops_prefix.watch.watcher import LeaseNotice, Release, SourceFailed, Watcher
from tests.decide.routers_saying import FIRST, saying
from tests.netns import Lab, Namespace, until

LINK = "2001:db8:ffff::/64"
DUID = "00:04:" + ":".join(["5a"] * 16)


@contextmanager
def dhcpd(
    router: Namespace,
    directory: Path,
    pool: str = "2001:db8:1000::/56",
    *,
    last: str = "",
    lifetimes: tuple[int, int] = (4000, 3000),
    times: tuple[int, int] | None = None,
    keep: bool = False,
) -> Iterator[subprocess.Popen[str]]:
    """ISC's dhcpd: one delegation of `pool`.

    Args:
        router: the namespace; the server listens on its link.
        directory: for configuration and leases.
        pool: the first prefix that it has.
        last: the network of the last one; empty: there is one alone.
        lifetimes: valid and preferred, in seconds.
        times: T1 and T2; None leaves them to the client.
        keep: whether the leases of an earlier server count.
    """
    directory.mkdir(exist_ok=True)
    network, length = pool.split("/")
    valid, preferred = lifetimes
    t1, t2 = times or (0, 0)
    (directory / "dhcpd.conf").write_text(
        f"""authoritative;
default-lease-time {valid}; preferred-lifetime {preferred}; max-lease-time 4294967295;
option dhcp6.domain-search "home.arpa";
{f"option dhcp-renewal-time {t1}; option dhcp-rebinding-time {t2};" if times else ""}
subnet6 {LINK} {{ prefix6 {network} {last or network} /{length}; }}
"""
    )
    leases = directory / "leases"
    if not keep:
        leases.write_text("")
    _address(router)
    words = ["dhcpd", "-6", "-f", "-d", "-cf", str(directory / "dhcpd.conf"), "-lf", str(leases)]
    log = (directory / "dhcpd.log").open("w")
    with log, router.start(*words, "--no-pid", router.link, stderr=log) as server:
        _listens(router, server, directory / "dhcpd.log")
        yield server


@contextmanager
def kea(
    router: Namespace,
    directory: Path,
    pools: list[dict[str, object]],
    **options: object,
) -> Iterator[subprocess.Popen[str]]:
    """ISC's Kea: `pools` are its `pd-pools`, `options` those of the subnet."""
    directory.mkdir(exist_ok=True)
    subnet = {"id": 1, "subnet": LINK, "interface": router.link, "pd-pools": pools, **options}
    settings = {
        "Dhcp6": {
            "interfaces-config": {"interfaces": [router.link]},
            "lease-database": {"type": "memfile", "persist": False},
            "server-id": {"type": "LL", "persist": False},
            "subnet6": [subnet],
            "loggers": [
                {
                    "name": "kea-dhcp6",
                    "severity": "INFO",
                    "output_options": [{"output": "stderr"}],
                }
            ],
        }
    }
    path = directory / "kea.json"
    path.write_text(json.dumps(settings))
    _address(router)
    log = (directory / "kea.log").open("w")
    environment = {"KEA_LOCKFILE_DIR": "none", "KEA_PIDFILE_DIR": str(directory)}
    words = ["env", *(f"{name}={text}" for name, text in environment.items())]
    with log, router.start(*words, "kea-dhcp6", "-c", str(path), stdout=log, stderr=log) as server:
        _listens(router, server, directory / "kea.log")
        yield server


def _address(router: Namespace) -> None:
    """The subnet has to be one of the link."""
    words = ("ip", "-6", "address", "replace", "2001:db8:ffff::1/64", "dev", router.link, "nodad")
    router.run(*words)


def _listens(router: Namespace, server: subprocess.Popen[str], log: Path) -> None:
    def listens() -> bool:
        assert server.poll() is None, log.read_text()
        return ":547" in router.run("ss", "-lun6").stdout

    until(listens, "a server on port 547")


class Announcer:
    """A source that hears the advertisements that a test writes down."""

    interfaces: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._inner, self._outer = socket.socketpair()
        self._announced: queue.SimpleQueue[Advertised] = queue.SimpleQueue()

    def announce(self, *prefixes: PrefixInformation) -> None:
        """The router of the link advertises these."""
        advertised = Advertised(FIRST, saying(*prefixes), 0.0, repeated=False)
        self._announced.put(advertised)
        self._outer.send(b"!")

    def filenos(self) -> tuple[int, ...]:
        return (self._inner.fileno(),)

    def next_at(self) -> float:
        return inf

    def follow(self, link: object, now: float) -> tuple[()]:
        return ()

    def overhear(self, event: object, now: float) -> None:
        """Nothing: it said so itself."""

    def take(self, request: object, now: float) -> None:
        """Nothing."""

    def ready(self, now: float) -> Iterator[Advertised]:
        self._inner.recv(4096)
        while not self._announced.empty():
            yield self._announced.get()

    def close(self) -> None:
        self._inner.close()
        self._outer.close()


@dataclass
class Client:
    """A DelegationSource in a watcher's thread.

    Attributes:
        announcer: of advertisements on the same link.
        events: everything that it reported.
    """

    watcher: Watcher
    announcer: Announcer
    events: "queue.SimpleQueue[object]"
    seen: list[object] = field(default_factory=list)

    def given(self, seconds: float = 60.0) -> dict[str, tuple[int, int]]:
        """The next prefixes, each with its valid and preferred lifetime."""
        event = self.event(Given, seconds)
        return {
            str(each.prefix): (each.valid_lifetime, each.preferred_lifetime)
            for each in event.prefixes
        }

    def failure(self, seconds: float = 60.0) -> str:
        """The next complaint."""
        return self.event(SourceFailed, seconds).reason

    def notice(self, state: str, seconds: float = 60.0) -> LeaseNotice:
        """The next notice of a state."""
        while True:
            notice = self.event(LeaseNotice, seconds)
            if notice.state == state:
                return notice

    def event(self, kind, seconds: float = 60.0):
        while True:
            try:
                event = self.events.get(timeout=seconds)
            except queue.Empty:
                raise AssertionError(f"no {kind.__name__}; before: {self.seen}") from None
            self.seen.append(event)
            if isinstance(event, kind):
                return event

    def release(self) -> None:
        """What a daemon does before it ends."""
        self.watcher.request(Release())


@contextmanager
def client(
    lab: Lab,
    clock,
    *,
    hoped: str = "",
    identity: Path | None = None,
    speaks=None,
    leased: set[str] | None = None,
    takes: bool = True,
    **asked: object,
) -> Iterator[Client]:
    """Ask on the node's link, by a clock that may run faster than the wall's."""
    delegation = Delegation(
        **{"name": "home", "interface": "eth0", "length": 56, "duid": DUID, **asked}
    )
    made: queue.SimpleQueue[Client | BaseException] = queue.SimpleQueue()
    events: queue.SimpleQueue[object] = queue.SimpleQueue()

    def watch() -> None:
        try:
            with lab.node.inside():
                source = DelegationSource(
                    [delegation],
                    identity=identity,
                    hoped=lambda _: Prefix.parse(hoped) if hoped else None,
                    speaks=speaks,
                    leased=set() if leased is None else leased,
                    chance=lambda: 0.5,
                    takes=takes,
                )
                announcer = Announcer()
                watcher = Watcher([source, announcer], events.put, clock=clock)
                made.put(Client(watcher, announcer, events))
                watcher.run()
        except BaseException as error:  # noqa: BLE001  the test must see it
            made.put(error)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    found = made.get(timeout=60)
    if isinstance(found, BaseException):
        raise found
    try:
        yield found
    finally:
        found.watcher.stop()
        thread.join(timeout=60)


class Forger:
    """Speaks as a server, in any way."""

    def __init__(self, made: Lab) -> None:
        self._lab = made

    @contextmanager
    def answering(self, answer) -> Iterator[None]:
        """Answer every message with what `answer` makes of it."""
        stop = threading.Event()
        ready = threading.Event()

        def serve() -> None:
            with (
                self._lab.router.inside(),
                socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as own,
            ):
                own.bind(("::", 547))
                index = socket.if_nametoindex("lan0")
                group = socket.inet_pton(socket.AF_INET6, "ff02::1:2") + index.to_bytes(4, "little")
                own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
                own.settimeout(0.2)
                ready.set()
                while not stop.is_set():
                    try:
                        octets, client_ = own.recvfrom(65535)
                    except TimeoutError:
                        continue
                    for reply in answer(decode(octets)):
                        own.sendto(reply, client_)

        thread = threading.Thread(target=serve)
        thread.start()
        assert ready.wait(120)
        try:
            yield
        finally:
            stop.set()
            thread.join()


def reply_to(message: Dhcpv6Message, *prefixes: DelegatedPrefix, **said: object) -> bytes:
    kind = MessageType.ADVERTISE if message.type is MessageType.SOLICIT else MessageType.REPLY
    iaid = message.associations[0].iaid
    answer = {
        "type": kind,
        "transaction": message.transaction,
        "client": message.client,
        "server": b"\0\3\0\1forged",
        "associations": (Association(iaid, prefixes=prefixes),),
        **said,
    }
    return encode(Dhcpv6Message(**answer))
