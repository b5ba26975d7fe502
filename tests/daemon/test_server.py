"""What listens: many who say nothing, or leave early, keep nobody from an answer."""

import socket
import struct
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from urllib.request import urlopen

import pytest

from gitops_prefix.daemon.server import MOST_AT_ONCE, ListedPages, Page, Server, text_page
from gitops_prefix.errors import InputError, Problem
from tests.netns import until


@pytest.fixture
def server() -> Iterator[Server]:
    pages = {"/healthz": lambda: text_page("alive"), "/": lambda: text_page("x" * 10_000_000)}
    with closing(Server("127.0.0.1:0", pages)) as server:
        yield server


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=120)


def answers(server: Server) -> bool:
    with urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=120) as answer:
        return answer.read() == b"alive\n"


def threads() -> int:
    return sum("process_request" in one.name for one in threading.enumerate())


def test_who_says_nothing_makes_room_for_who_asks(server):
    """Each would hold a thread and a descriptor, of which git needs some."""
    until(lambda: not threads(), "those of the test before are gone")
    with ExitStack() as stack:
        for _ in range(3 * MOST_AT_ONCE):
            stack.enter_context(connect(server)).sendall(b"GET /healthz HTTP/1.0\r\nX: ")
        assert answers(server)
        until(lambda: threads() <= MOST_AT_ONCE, "the oldest are gone")
        assert threads(), "those who came last may still ask"
    until(lambda: not threads(), "all are gone")
    assert answers(server)


def test_who_leaves_early_is_no_error(server, capfd):
    for _ in range(3):
        with connect(server) as one:
            one.sendall(b"GET / HTTP/1.0\r\n\r\n")
            one.recv(10)
            # A reset, as from a browser that is closed.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: not threads(), "all are gone")
    assert answers(server)
    assert capfd.readouterr().err == ""


SHORT = """
import resource, sys, time
from gitops_prefix.daemon.server import Server, text_page
server = Server("127.0.0.1:0", {"/healthz": lambda: text_page("alive")})
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (24, hard))
before = time.process_time()
print(server.port, flush=True)
sys.stdin.readline()
print(time.process_time() - before)
"""


def test_with_no_descriptor_left_who_waits_at_the_door_takes_no_core_and_gets_in():
    """accept() fails at once, again and again, while somebody waits."""
    with (
        subprocess.Popen(
            [sys.executable, "-c", SHORT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
        ExitStack() as stack,
    ):
        port = int(process.stdout.readline())
        for _ in range(40):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=120))
            idle.sendall(b"GET /healthz HTTP/1.0\r\nX: ")
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as answer:
            assert answer.read() == b"alive\n"
        process.stdin.write("\n")
        process.stdin.flush()
        assert float(process.stdout.readline()) < 1.0


def status(server: Server, path: str, **headers: str | bytes) -> int:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=120)
    with closing(connection):
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status


HOSTS = {
    "127.0.0.1": 200,
    "127.0.0.1:8080": 200,
    "192.0.2.1:8080": 200,
    "[::1]": 200,
    "[2001:db8::1]:8080": 200,
    "localhost": 200,
    "LocalHost.:8080": 200,
    socket.gethostname(): 200,
    "rebound.example": 421,
    "rebound.example:8080": 421,
    "localhost.rebound.example": 421,
    "127.0.0.1.rebound.example": 421,
    "127.0.0.1:8080@rebound.example": 421,
    "2130706433": 421,
    "": 421,
    "::": 200,
    "127.0.0.1.:8080": 200,
    "localhost:": 200,
    "[FD00::1]:8080": 200,
    "[fe80::1%25eth0]:8080": 200,
    "[fe80::1%eth0]": 200,
    "[rebound.example]": 421,
    "rebound.example:127.0.0.1": 421,
    "localhost..": 421,
    "localhost,rebound.example": 421,
}


@pytest.mark.parametrize(("host", "expected"), HOSTS.items(), ids=[*HOSTS])
@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_only_who_means_this_machine_is_answered(server, host, expected, path):
    """A page of anybody may have a browser ask us, under a name of its own (DNS rebinding)."""
    assert status(server, path, Host=host) == expected


def test_a_name_that_is_listened_on_is_ours():
    with closing(Server("localhost:0", {"/": lambda: text_page("here")})) as server:
        assert status(server, "/", Host="localhost") == 200


def test_a_token_of_any_letters_opens():
    """A header's bytes are UTF-8 here, as curl sends them."""
    token = "schlüssel-€-日本"
    with closing(Server("127.0.0.1:0", {"/": lambda: text_page("x")}, lambda: token)) as server:
        for given in (f"Bearer {token}".encode(), b"Basic " + b64encode(f"x:{token}".encode())):
            assert status(server, "/", Authorization=given) == 200
        assert status(server, "/", Authorization="Bearer schl\xfcssel".encode("latin-1")) == 401


def broken() -> Page:
    raise RuntimeError("no\x1b[31m\npage")


def test_a_page_that_cannot_be_made_is_a_line_in_the_log(caplog, capfd):
    with closing(Server("127.0.0.1:0", {"/": broken})) as server:
        assert status(server, "/") == 500
    assert caplog.messages == [r"/ could not be made: RuntimeError: no\x1b[31m\npage"]
    assert capfd.readouterr().err == ""


ODD = {
    "a line without end": b"GET /" + b"x" * 100_000,
    "a header without end": b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
    "headers without end": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000,
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "bytes of no character": b"\xff\xfe /\x00 HTTP/9.\xb2\r\n\r\n",
    "a version of its own": b"GET / HTTP/1.1.1.1\r\n\r\n",
    "another method": b"BREW / HTTP/1.1\r\n\r\n",
    "a request behind a request": (
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n"
        b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\nGET /secret HTTP/1.1\r\n\r\n"
    ),
    "a proxy's request": b"GET http://rebound.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a body that nobody takes": b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n" + b"x" * 100_000,
}


@pytest.mark.parametrize("request_", ODD.values(), ids=ODD)
def test_whatever_is_sent_one_answer_comes_and_the_next_is_asked(server, capfd, caplog, request_):
    with connect(server) as client, suppress(OSError):
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.count(b"HTTP/1.0 ") <= 1
    assert answers(server)
    assert (capfd.readouterr().err, caplog.messages) == ("", [])


def test_two_hosts_are_no_request(server):
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: rebound.example\r\n\r\n")
        assert b" 400 " in client.recv(100)


TOKEN = "listen-token-0123"
BASIC = b64encode(f"anybody:{TOKEN}".encode()).decode()
AUTHORIZATIONS = {
    f"Bearer {TOKEN}": 200,
    f"bearer {TOKEN}": 200,
    f"Basic {BASIC}": 200,
    "": 401,
    "Bearer": 401,
    f"Bearer {TOKEN}x": 401,
    f"Bearer {TOKEN[:-1]}": 401,
    f"Basic {TOKEN}": 401,
    "Basic !": 401,
    f"Digest {TOKEN}": 401,
    TOKEN: 401,
}


@pytest.fixture
def guarded() -> Iterator[Server]:
    pages = {path: lambda: text_page("here") for path in ("/", "/status", "/metrics", "/healthz")}
    with closing(Server("127.0.0.1:0", pages, lambda: TOKEN)) as server:
        yield server


@pytest.mark.parametrize(("given", "expected"), AUTHORIZATIONS.items(), ids=[*AUTHORIZATIONS])
@pytest.mark.parametrize("path", ["/", "/status", "/metrics", "/nowhere"])
def test_with_a_token_only_who_gives_it_reads(guarded, given, expected, path):
    found = status(guarded, path, **({"Authorization": given} if given else {}))
    assert found == (404 if expected == 200 and path == "/nowhere" else expected)


def test_probes_need_no_token_and_a_token_opens_any_name(guarded):
    assert status(guarded, "/healthz") == 200
    assert status(guarded, "/", Host="node.example") == 421
    assert status(guarded, "/", Host="node.example", Authorization=f"Bearer {TOKEN}") == 200


def test_a_token_that_cannot_be_read_now_opens_nothing():
    """Its file is replaced, as Kubernetes does; probes go on."""

    def gone() -> str:
        raise InputError(Problem("unreadable", "gone"))

    pages = {path: lambda: text_page("here") for path in ("/", "/healthz")}
    with closing(Server("127.0.0.1:0", pages, gone)) as server:
        assert status(server, "/", Authorization=f"Bearer {TOKEN}") == 503
        assert status(server, "/healthz") == 200


WIDTHS = {
    "127.0.0.1:0": "",
    "[::1]:0": "",
    "localhost:0": "",
    ":0": "any address of this machine",
    "0.0.0.0:0": "any address of this machine",
}


@pytest.mark.parametrize(("listen", "where"), WIDTHS.items(), ids=[*WIDTHS])
def test_it_says_who_can_read_it(listen, where):
    with closing(Server(listen, {})) as server:
        assert bool(server.warning) is bool(where)
        assert where in server.warning
    with closing(Server(listen, {}, lambda: TOKEN)) as server:
        assert server.warning == ""


LISTS = {("home", "lb"): ("2001:db8:b:0:f000::/68", "2001:db8:a:0:f000::/68")}
ASKED = {
    "/prefixes/home/lb.txt": "2001:db8:b:0:f000::/68\n2001:db8:a:0:f000::/68\n",
    "/": "here\n",
    "/prefixes/home/other.txt": None,
    "/prefixes/work/lb.txt": None,
    "/prefixes/home/lb": None,
    "/prefixes/home": None,
    "/prefixes/home/lb.txt/": None,
    "/other/home/lb.txt": None,
}


@pytest.mark.parametrize(("path", "body"), ASKED.items(), ids=ASKED)
def test_a_part_of_a_prefix_is_a_plain_list_for_firewalls(path, body):
    pages = ListedPages({"/": lambda: text_page("here")}, lambda *names: LISTS.get(names, ()))
    assert list(pages) == ["/"]
    assert len(pages) == 1
    with closing(Server("127.0.0.1:0", pages)) as server:
        asking = HTTPConnection("127.0.0.1", server.port, timeout=120)
        asking.request("GET", path)
        answer = asking.getresponse()
        assert answer.status == (200 if body else 404)
        if body:
            assert answer.read().decode() == body
            assert answer.getheader("Content-Type") == "text/plain; charset=utf-8"
