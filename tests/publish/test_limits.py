"""When a call to the remote ends that would hang: by silence, and with the prefix under it."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Event, Thread

import pytest

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.publish.credentials import NoCredentials, SshKey
from gitops_prefix.publish.failure import Failed, FailedError, Kind, Published, Reason
from gitops_prefix.publish.repository import TimeLimits
from gitops_prefix.publish.running import local_addresses
from tests.branch import MANAGED, bare_repository, commit_ours, fetched, opened
from tests.git_servers import new_key
from tests.netns import until
from tests.publish.failing import away

LOOPBACK, OTHER = Prefix.parse("::1/128"), Prefix.parse("2001:db8:b::/64")
NEW = {"a.yaml": MANAGED + b"new\n"}


@contextmanager
def silent(family: int = socket.AF_INET6) -> Iterator[tuple[int, Event]]:
    """A port that takes a connection and says nothing; and whether somebody connected."""
    connected, host = Event(), "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with closing(socket.create_server((host, 0), family=family)) as server:

        def accept() -> None:
            with ExitStack() as kept, suppress(OSError):
                while True:
                    kept.enter_context(server.accept()[0])
                    connected.set()

        thread = Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], connected
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def key(tmp_path: Path) -> SshKey:
    new_key(tmp_path / "key")
    (tmp_path / "known_hosts").write_text("host ssh-ed25519 AAAA\n")
    return SshKey(tmp_path / "key", tmp_path / "known_hosts")


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("scheme", ["http", "ssh"])
def test_a_call_over_an_address_whose_prefix_is_replaced_ends(tmp_path, scheme, shared):
    """Nothing comes back to that address; git and ssh would wait for their own limits."""
    with silent() as (port, connected):
        url = (
            f"{scheme}://robot@[::1]:{port}/x.git" if scheme == "ssh" else f"http://[::1]:{port}/x"
        )
        credentials = key(tmp_path) if scheme == "ssh" else NoCredentials()
        with opened(tmp_path / "clone", url, credentials=credentials) as repository:
            repository.remote.prefixes = lambda: {"home": OTHER if connected.is_set() else LOOPBACK}
            words = "ran over ::1, and ::1/128 was replaced"
            with (
                repository.connected() if shared else nullcontext(),
                pytest.raises(FailedError, check=away, match=words) as error,
            ):
                repository.fetch()
    assert error.value.failed.reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    "prefixes",
    [
        pytest.param(lambda _: {"home": LOOPBACK}, id="nothing changes"),
        pytest.param(lambda moved: {"home": None if moved else LOOPBACK}, id="it is gone, and none is new"),
        pytest.param(lambda moved: {"home": Prefix.parse("::/64") if moved else LOOPBACK}, id="it grew"),
        pytest.param(lambda moved: {"home": OTHER, "away": LOOPBACK} if moved else {"home": LOOPBACK}, id="another has it"),
        pytest.param(lambda moved: {"home": LOOPBACK if moved else OTHER}, id="it is the new one"),
    ],
)  # fmt: skip
def test_any_other_change_ends_no_call(tmp_path, prefixes):
    limits = TimeLimits(ask=2.0)
    with (
        silent() as (port, connected),
        opened(tmp_path / "clone", f"http://[::1]:{port}/x", limits=limits) as repository,
    ):
        repository.remote.prefixes = lambda: prefixes(connected.is_set())
        with pytest.raises(FailedError, check=away, match="no answer within 2 s"):
            repository.fetch()


def test_a_host_that_takes_the_connection_and_says_nothing_is_left_for_its_silence(tmp_path):
    limits = TimeLimits(silence=2.0)
    with (
        silent(socket.AF_INET) as (port, _),
        opened(tmp_path / "clone", f"http://127.0.0.1:{port}/x", limits=limits) as repository,
        pytest.raises(FailedError, check=away, match="not a byte came") as error,
    ):
        repository.fetch()
    assert error.value.failed.reason is Reason.TIMEOUT


def test_a_slow_hook_is_waited_for_beyond_the_silence(tmp_path):
    """Between the last byte of a push and the answer, the hooks of the server run."""
    remote = bare_repository(tmp_path, {"a.yaml": MANAGED})
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    began = tmp_path / "began"
    hook.write_text(f"#!/bin/sh\ntouch {began}; exec sleep 6\n")
    hook.chmod(0o755)
    with fetched(tmp_path / "clone", f"file://{remote}") as repository:
        commit = commit_ours(repository, NEW)
    limits = TimeLimits(silence=4.0)
    with opened(tmp_path / "clone", f"file://{remote}", limits=limits) as repository:
        # On a busy machine the silence may be over before the hook begins.
        report = until(
            lambda: (report := repository.push()) and began.exists() and report, "a hook"
        )
    assert report == Published(commit)


def test_a_push_that_is_never_answered_ends_for_its_silence(tmp_path):
    """Before the pack is sent nothing is at work but the network."""
    remote = bare_repository(tmp_path, {"a.yaml": MANAGED})
    with fetched(tmp_path / "clone", f"file://{remote}") as repository:
        commit_ours(repository, NEW)
    with silent(socket.AF_INET) as (port, _):
        url, limits = f"http://127.0.0.1:{port}/x", TimeLimits(silence=2.0)
        with opened(tmp_path / "other", url, limits=limits) as repository:
            report = repository.remote.rehearse_push("0" * 40)
    assert isinstance(report, Failed)
    assert report.kind is Kind.AWAY
    assert "not a byte came" in report.words


def test_the_addresses_of_a_process_group_are_those_of_its_connections():
    with (
        closing(socket.create_server(("::1", 0), family=socket.AF_INET6)) as server,
        closing(socket.create_connection(server.getsockname()[:2])),
    ):
        # The kernel's list may lack a line while connections of others come and go.
        until(lambda: local_addresses({os.getpgid(0)}) >= {1}, "our own connection")
        assert local_addresses({2**30}) == frozenset()
