"""The source `fritzbox`: its answers, whom it asks, and when. The box is of the API's shape."""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.plan.ears import Given
from gitops_prefix.watch import fritzbox
from gitops_prefix.watch.fritzbox import FritzBoxSource, ask, read_answer
from gitops_prefix.watch.watcher import SourceFailed, Watcher
from tests.decide.routers_saying import pio
from tests.dhcp_servers import Announcer
from tests.netns import lab
from tests.parts import require

A, B = "2001:db8:12:3400::/56", "2001:db8:56:7800::/56"
ANSWER = """<?xml version="1.0"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">
<s:Body>
<u:X_AVM_DE_GetIPv6PrefixResponse xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1">
<NewIPv6Prefix>{network}</NewIPv6Prefix>
<NewPrefixLength>{length}</NewPrefixLength>
<NewValidLifetime>{valid}</NewValidLifetime>
<NewPreferedLifetime>{preferred}</NewPreferedLifetime>
</u:X_AVM_DE_GetIPv6PrefixResponse>
</s:Body>
</s:Envelope>
"""


def said(prefix: str = A, valid: object = 7200, preferred: object = 3600) -> bytes:
    network, _, length = prefix.partition("/")
    fields = {"network": network, "length": length, "valid": valid, "preferred": preferred}
    return ANSWER.format(**fields).encode()


@pytest.mark.parametrize(
    ("body", "valid", "preferred"),
    [
        (said(), 7200, 3600),
        (said(preferred=0), 7200, 0),
        (said(valid=10, preferred=99), 10, 10),
        (said(valid=1 << 33), INFINITY, 3600),
        (said().replace(b"NewPrefered", b"NewPreferred"), 7200, 3600),
        (said().replace(b"::</NewIPv6Prefix>", b"::/56</NewIPv6Prefix>"), 7200, 3600),
    ],
)
def test_an_answer(body, valid, preferred):
    found = read_answer(body)
    assert found == PrefixInformation(
        Prefix.parse(A),
        on_link=True,
        autonomous=True,
        valid_lifetime=valid,
        preferred_lifetime=preferred,
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not XML"),
        (b"<a", "not XML"),
        (b'<?xml version="1.0" encoding="nope"?><a/>', "not XML"),
        (b'<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>', "declares entities"),
        (b"<a/>", "no IPv6 prefix now"),
        (said("/0"), "no IPv6 prefix now"),
        (said("::/0"), "no IPv6 prefix now"),
        (said("2001:db8::1/56"), "bits set beyond"),
        (said("2001:db8::/x"), "length must be 0 to 128"),
        (said("fritz/56"), "not an IPv6 address"),
        (said(valid="soon"), '"soon" is not a lifetime'),
        (said(preferred=-1), '"-1" is not a lifetime'),
    ],
)
def test_an_answer_that_does_not_count(body, words):
    with pytest.raises(ValueError, match=words):
        read_answer(body)


@given(
    st.binary(max_size=200)
    | st.builds(lambda a, b: said()[:a] + b, st.integers(0, 600), st.binary(max_size=40))
)
def test_noise_is_an_answer_that_does_not_count(body):
    try:
        read_answer(body)
    except ValueError as error:
        assert str(error)  # noqa: PT017  either is right


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_only_what_is_at_home_is_asked(host):
    with pytest.raises(ValueError, match="not at home"):
        ask(host)


@contextmanager
def box(answer, status: int = 200) -> Iterator[list[tuple[str, str]]]:
    """A FRITZ!Box at 192.168.178.1, in a namespace of its own; `answer` makes the body."""
    require("netns")
    asked: list[tuple[str, str]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # http.server's name
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers["SOAPAction"]))
            body = answer()
            self.send_response(status)
            self.send_header("Location", "http://192.0.2.1/")
            self.end_headers()
            for at in range(0, len(body), 4096):
                self.wfile.write(body[at : at + 4096])

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    class Boxes(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Who asks may go away."""

    with lab() as made:
        made.router.run("ip", "address", "add", "192.168.178.1/24", "dev", "lan0")
        made.node.run("ip", "address", "add", "192.168.178.2/24", "dev", "eth0")
        with made.router.inside():
            server = Boxes(("192.168.178.1", fritzbox.PORT), Answers)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            with made.node.inside():
                yield asked
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def test_a_box_is_asked_as_upnp_wants_it():
    with box(said) as asked:
        assert ask("192.168.178.1").prefix == Prefix.parse(A)
    assert asked == [
        (
            "/igdupnp/control/WANIPConn1",
            '"urn:schemas-upnp-org:service:WANIPConnection:1#X_AVM_DE_GetIPv6Prefix"',
        )
    ]


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (lambda: b"", 500, "it answers 500"),
        (lambda: b"", 302, "it answers 302"),
        (lambda: b"x" * 20000, 200, "longer than 16384 bytes"),
        (lambda: time.sleep(4) or b"", 200, "it does not answer"),
    ],
    ids=["an error", "a redirect", "too long", "silence"],
)
def test_a_box_that_is_no_use(answer, status, words):
    with box(answer, status), pytest.raises(ValueError, match=words):
        ask("192.168.178.1")


def test_nobody_there():
    with box(said), pytest.raises(ValueError, match="it does not answer"):
        ask("192.168.178.77")


def test_it_is_asked_at_the_start_and_when_a_router_changed():
    prefixes = [A, B]
    events: queue.SimpleQueue[object] = queue.SimpleQueue()
    clock = lambda: time.monotonic() * 20  # noqa: E731  5 s between two questions are 250 ms

    def next_given() -> list[str]:
        while True:
            event = events.get(timeout=60)
            assert not isinstance(event, SourceFailed), event
            if isinstance(event, Given):
                return [str(each.prefix) for each in event.prefixes]

    with box(lambda: said(prefixes[0])):
        announcer = Announcer()
        watcher = Watcher([FritzBoxSource(["192.168.178.1"]), announcer], events.put, clock=clock)
        thread = threading.Thread(target=watcher.run)
        thread.start()
        try:
            assert next_given() == [A]
            del prefixes[0]
            announcer.announce(pio(Prefix.parse("2001:db8:12:3400::/64")))
            announcer.announce(pio(Prefix.parse("2001:db8:56:7800::/64")))
            assert next_given() == [B]
        finally:
            watcher.stop()
            thread.join()
