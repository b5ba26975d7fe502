"""Over which address family ssh reaches a host that has both: the one that answers first."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from gitops_prefix.publish.credentials import Route, SshKey, Token, ssh_place
from gitops_prefix.publish.failure import Published
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.repository import TimeLimits
from tests.branch import MANAGED, commit_ours, fetched
from tests.git_servers import TOKEN, USER, free_port, http_remote, ssh_remote

NEW = {"a.yaml": MANAGED + b"new\n"}


@contextmanager
def listening(family: int, address: str) -> Iterator[tuple]:
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen(5)
        yield entry(family, server.getsockname())


@contextmanager
def dead(family: int, address: str, port: int = 0) -> Iterator[tuple]:
    """An address from which nothing comes back: its queue of connections is full."""
    with socket.socket(family) as server, ExitStack() as queue:
        server.bind((address, port))
        server.listen(0)
        for _ in range(3):
            waiting = queue.enter_context(socket.socket(family))
            waiting.settimeout(0.0)
            waiting.connect_ex(server.getsockname())
        yield entry(family, server.getsockname())


def entry(family: int, address: tuple) -> tuple:
    """As socket.getaddrinfo has it."""
    return (family, socket.SOCK_STREAM, 6, "", address)


def route(*entries: tuple) -> Route:
    return Route(resolve=lambda host, port, **_: entries)


def test_a_dead_family_is_passed_by():
    with dead(socket.AF_INET6, "::1") as v6, listening(socket.AF_INET, "127.0.0.1") as v4:
        assert route(v6, v4).family("host", 22) == "inet"


def test_the_first_that_answers_is_taken_in_the_order_of_the_machine():
    with (
        listening(socket.AF_INET6, "::1") as v6,
        listening(socket.AF_INET, "127.0.0.1") as v4,
    ):
        assert route(v6, v4).family("host", 22) == "inet6"
        assert route(v4, v6).family("host", 22) == "inet"


def test_when_nobody_answers_the_choice_is_sshs():
    refused = entry(socket.AF_INET, ("127.0.0.1", free_port()))
    with dead(socket.AF_INET6, "::1") as v6:
        assert route(v6, refused).family("host", 22) == "any"
    assert route().family("host", 22) == "any"


def test_where_there_is_no_choice_nothing_is_tried():
    """Another connection is a line in the server's log."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)
        server.settimeout(0.2)
        assert route(entry(socket.AF_INET, server.getsockname())).family("host", 22) == "any"
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_name_that_is_not_resolved_is_sshs_to_tell():
    def fail(*_: object, **__: object) -> list:
        raise socket.gaierror("no such name")

    assert Route(resolve=fail).family("nowhere.invalid", 22) == "any"


def test_the_calls_of_a_pass_ask_once():
    asked = []

    def resolve(host: str, port: int, **_: object) -> list:
        asked.append((host, port))
        return []

    found = Route(resolve=resolve)
    assert {found.family("host", 22) for _ in range(4)} == {"any"}
    assert asked == [("host", 22)]


PLACES = {
    "ssh://git@host/x.git": ("host", 22),
    "ssh://host:2222/x.git": ("host", 2222),
    "ssh://git@[2001:db8::1]:2222/x": ("2001:db8::1", 2222),
    "git+ssh://git@host/x": ("host", 22),
    "git@host:x/y.git": ("host", 22),
    "host:x@y.git": ("host", 22),
    "git@[2001:db8::1]:x.git": ("2001:db8::1", 22),
}


@pytest.mark.parametrize(("url", "place"), PLACES.items(), ids=PLACES)
def test_where_an_ssh_url_leads(url, place):
    assert ssh_place(url) == place


def test_a_change_is_published_over_the_family_that_answers(tmp_path):
    """Each call of ssh names it."""
    with ssh_remote(tmp_path) as server:
        port = ssh_place(server.url)[1]
        with dead(socket.AF_INET6, "::1", port) as v6:
            v4 = entry(socket.AF_INET, ("127.0.0.1", port))
            directory = server.directory
            key = SshKey(directory / "deploy", directory / "known_hosts", route(v6, v4))
            with Loan() as loan:
                key.lend(server.url, loan)
                assert "AddressFamily=inet " in loan.variables["GIT_SSH_COMMAND"]
            with fetched(tmp_path / "clone", server.url, credentials=key) as repository:
                commit = commit_ours(repository, NEW)
                assert repository.push() == Published(commit)


@dataclass(frozen=True)
class Resolved:
    """Credentials for a web server whose name has these addresses (git-config(1), http.curloptResolve)."""

    token: Token
    addresses: str

    def lend(self, url: str, loan: Loan) -> None:
        self.token.lend(url, loan)
        parts = urlsplit(url)
        loan.configure("http.curloptResolve", f"{parts.hostname}:{parts.port}:{self.addresses}")

    def doubt(self) -> None:
        """Nothing is remembered."""


def test_a_change_is_published_over_https_though_a_family_is_dead(tmp_path):
    """libcurl tries the next address after a moment (RFC 8305); ours are the limits."""
    with http_remote(tmp_path) as server:
        port = int(urlsplit(server.url).port or 0)
        url = server.url.replace("127.0.0.1", "localhost")
        credentials = Resolved(Token(lambda: TOKEN, USER), "[::1],127.0.0.1")
        limits = TimeLimits(ask=60, fetch=60, push=60)
        with (
            dead(socket.AF_INET6, "::1", port),
            fetched(tmp_path / "clone", url, credentials=credentials, limits=limits) as repository,
        ):
            commit = commit_ours(repository, NEW)
            assert repository.push() == Published(commit)
