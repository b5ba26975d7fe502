"""The source `acquisition.fritzbox`: asks a FRITZ!Box for the prefix that the ISP delegates.

The question is UPnP's, of the box's own service WANIPConnection:1, action
X_AVM_DE_GetIPv6Prefix, on port 49000 without a password. The box has it switched on with "Transmit
status information over UPnP" (Home Network, Network, Network Settings).

Whoever may merge names the box, so only addresses at home are asked: `fritz.box` is a name of the
internet, too, for whoever does not use the box's DNS.
"""

import http.client
import re
import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from math import inf
from xml.etree import ElementTree as ET

from gitops_prefix.decide.advertisement import FRITZBOX, INFINITY, PrefixInformation, Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.reading import is_at_home
from gitops_prefix.plan.ears import Advertised, Given
from gitops_prefix.watch.advertisements import ChangedPrefixes
from gitops_prefix.watch.links import LinkState
from gitops_prefix.watch.watcher import SourceFailed

EVERY = 60.0
"""Seconds between two questions."""
HURRY_AFTER = 5.0
"""The least seconds between two questions, however often a router changes its mind."""
PATIENCE = 2.0
"""Seconds for the whole of a question: name, connection and answer."""
PORT = 49000
MOST_BYTES = 16384

_SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
_ACTION = "X_AVM_DE_GetIPv6Prefix"
_QUESTION = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
    f'<u:{_ACTION} xmlns:u="{_SERVICE}"/></s:Body></s:Envelope>'
).encode()
_HEADERS = {
    "Content-Type": 'text/xml; charset="utf-8"',
    "SOAPAction": f'"{_SERVICE}#{_ACTION}"',
}
_MARKUP = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


def read_answer(body: bytes) -> PrefixInformation:
    """The prefix in an answer of the box.

    Raises:
        ValueError: there is none, with the reason.
    """
    # An entity could make a small answer a large one.
    if _MARKUP.search(body):
        raise ValueError("its answer declares entities")
    try:
        root = ET.fromstring(body)  # noqa: S314  no entities, and at most 16 KiB
    except (ET.ParseError, LookupError, UnicodeError) as error:
        raise ValueError(f"its answer is not XML: {error}") from error
    said = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root.iter()}
    network = said.get("NewIPv6Prefix", "").partition("/")[0]
    if not network or network == "::":
        raise ValueError("it has no IPv6 prefix now")
    length = said.get("NewPrefixLength", "")
    preferred = said.get("NewPreferedLifetime", said.get("NewPreferredLifetime", ""))
    valid = _lifetime(said.get("NewValidLifetime", ""))
    return PrefixInformation(
        Prefix.parse(f"{network}/{length}"),
        on_link=True,
        autonomous=True,
        valid_lifetime=valid,
        preferred_lifetime=min(_lifetime(preferred), valid),
    )


def _lifetime(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise ValueError(f'"{text}" is not a lifetime')
    return min(int(text), INFINITY)


def ask(host: str, port: int = PORT) -> PrefixInformation:
    """Ask a box, for 2 s at most.

    Raises:
        ValueError: no answer that counts, with the reason.
    """
    try:
        address = _resolve(host, port)
        with closing(http.client.HTTPConnection(address, port, timeout=PATIENCE)) as connection:
            connection.connect()
            timer = threading.Timer(PATIENCE, _cut, (connection.sock,))
            timer.daemon = True
            timer.start()
            try:
                connection.request("POST", "/igdupnp/control/WANIPConn1", _QUESTION, _HEADERS)
                answer = connection.getresponse()
                body = answer.read(MOST_BYTES + 1)
            finally:
                timer.cancel()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ValueError(f"it does not answer: {reason}") from error
    if len(body) > MOST_BYTES:
        raise ValueError(f"its answer is longer than {MOST_BYTES} bytes")
    if answer.status != http.client.OK:
        raise ValueError(
            f"it answers {answer.status} {answer.reason}: switch on the status information over "
            "UPnP in its network settings"
        )
    return read_answer(body)


def _cut(connected: socket.socket) -> None:
    """End a connection: an answer that drips would otherwise never be late."""
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _resolve(host: str, port: int) -> str:
    """The address to ask, which is at home.

    Raises:
        ValueError: the name means an address of the internet.
        OSError: it means none.
    """
    found = [
        str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ]
    for text in found:
        if is_at_home(ip_address(text.partition("%")[0])):
            return text
    raise ValueError(
        f"{host} is {', '.join(found)}, which is not at home: the node does not use the box's DNS; "
        "write the address of the box"
    )


@dataclass(slots=True)
class _Box:
    """One FRITZ!Box.

    Attributes:
        next_at: when it is asked next.
        asked_at: when it was asked last.
        answer: what the thread that asks it found; None while it asks.
    """

    host: str
    next_at: float = -inf
    asked_at: float = -inf
    asking: bool = False
    answer: PrefixInformation | str | None = None
    refused: str = ""

    @property
    def router(self) -> Router:
        """As what its prefix is kept."""
        return Router(self.host, FRITZBOX)


class FritzBoxSource:
    """The prefixes of FRITZ!Boxes, as `watcher.WatchedSource` has it.

    A box is asked in a thread of its own: a name that is not resolved would stop the watcher.
    """

    interfaces: tuple[str, ...] = ()

    def __init__(self, hosts: Collection[str]) -> None:
        """Name the boxes; the first call of `ready` asks them."""
        self._boxes = [_Box(host) for host in sorted(hosts)]
        self._changes = ChangedPrefixes()
        self._answered, self._answers = socket.socketpair()
        self._answered.setblocking(False)  # noqa: FBT003
        self._answers.setblocking(False)  # noqa: FBT003

    def filenos(self) -> Collection[int]:
        """The descriptor that is readable once a box has answered."""
        return (self._answered.fileno(),)

    def next_at(self) -> float:
        """When a box is asked next."""
        return min((box.next_at for box in self._boxes if not box.asking), default=inf)

    def follow(self, _link: LinkState, _now: float) -> tuple[()]:
        """Nothing: a box is asked over whatever link leads to it."""
        return ()

    def overhear(self, event: Advertised, now: float) -> None:
        """Ask at once when a router changed its prefixes."""
        if self._changes.note(event):
            for box in self._boxes:
                box.next_at = min(box.next_at, max(now, box.asked_at + HURRY_AFTER))

    def take(self, request: object, now: float) -> None:
        """Nothing: a box lends nothing."""

    def ready(self, now: float) -> Iterator[Given | SourceFailed]:
        """Report the answers, and ask the boxes whose time has come."""
        with suppress(BlockingIOError):
            self._answered.recv(4096)
        for box in self._boxes:
            if box.answer is not None:
                yield from self._report(box, box.answer, now)
                box.answer, box.asking = None, False
            if box.next_at <= now and not box.asking:
                box.asking, box.asked_at, box.next_at = True, now, now + EVERY
                threading.Thread(
                    target=self._ask, args=(box,), name=f"ask {box.host}", daemon=True
                ).start()

    def close(self) -> None:
        """Close the pair; a thread that still asks finds it closed, and ends."""
        self._answered.close()
        self._answers.close()

    def _ask(self, box: _Box) -> None:
        try:
            box.answer = ask(box.host)
        except Exception as error:  # noqa: BLE001  the box is asked again, whatever it answers
            box.answer = str(error) or type(error).__name__
        with suppress(OSError):
            self._answers.send(b"!")

    def _report(
        self, box: _Box, answer: PrefixInformation | str, now: float
    ) -> Iterator[Given | SourceFailed]:
        if isinstance(answer, str):
            if answer != box.refused:
                box.refused = answer
                yield SourceFailed(box.router, answer, now)
            return
        box.refused = ""
        yield Given(box.router, (answer,), now, now)
