"""What listens: many who say nothing, or leave early, keep nobody from an answer."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.request import urlopen

import pytest

from gitops_prefix.daemon.server import MOST_AT_ONCE, Server, text_page
from tests.netns import until


@pytest.fixture
def server() -> Iterator[Server]:
    pages = {"/healthz": lambda: text_page("alive"), "/": lambda: text_page("x" * 10_000_000)}
    with closing(Server("127.0.0.1:0", pages)) as server:
        yield server


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def answers(server: Server) -> bool:
    with urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=30) as answer:
        return answer.read() == b"alive\n"


def threads() -> int:
    return sum("process_request" in one.name for one in threading.enumerate())


def test_who_says_nothing_makes_room_for_who_asks(server):
    """Each would hold a thread and a descriptor, of which git needs some."""
    before = threads()
    with ExitStack() as stack:
        for _ in range(3 * MOST_AT_ONCE):
            stack.enter_context(connect(server)).sendall(b"GET /healthz HTTP/1.0\r\nX: ")
        assert answers(server)
        until(lambda: threads() - before <= MOST_AT_ONCE, "the oldest are gone")
        assert threads() > before, "those who came last may still ask"
    until(lambda: threads() == before, "all are gone")
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
