"""A real web server over https: the token never shows, and goes to nobody else."""

import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError, OutsideError
from gitops_prefix.publish.credentials import Token, token_from
from gitops_prefix.publish.failure import Failed, FailedError, Published
from gitops_prefix.publish.repository import Repository, TimeLimits
from tests.branch import MANAGED, bare_repository, commit_ours, fetched, opened
from tests.git_servers import READ_ONLY, TOKEN, USER, WebServer, free_port, listener, web_server
from tests.gitrepo import git
from tests.netns import until
from tests.publish.failing import away, refused
from tests.web_stand_in import Says, stand_in

# The least that githooks(5), proc-receive, asks of one: it declines each branch.
PROC_RECEIVE = f"""
import os
def read():
    length = int(os.read(0, 4), 16)
    return os.read(0, length - 4) if length > 4 else b""
def write(text):
    os.write(1, b"%04x" % (len(text) + 4) + text)
while read(): pass
write(b"version=1\\n"); os.write(1, b"0000")
names = []
while line := read(): names.append(line.split()[2])
for name in names: write(b"ng " + name + b" no {TOKEN} here\\n")
os.write(1, b"0000")
"""
NEW = {"a.yaml": MANAGED + b"new\n"}


@pytest.fixture(scope="module")
def https(tmp_path_factory) -> Iterator[WebServer]:
    with web_server(tmp_path_factory.mktemp("web") / "d") as server:
        yield server


@pytest.fixture
def server(https, monkeypatch) -> WebServer:
    """Its certificate is believed."""
    monkeypatch.setenv("GIT_SSL_CAINFO", str(https.authority))
    return https


def serve(server: WebServer, tmp_path: Path) -> tuple[str, Path]:
    """A repository of this test's own: its URL, and where it is."""
    name = f"{tmp_path.name}.git"
    return f"{server.url}/{name}", bare_repository(tmp_path, {"a.yaml": MANAGED}).rename(
        server.repositories / name
    )


def add_hook(remote: Path, text: str) -> None:
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{text}\n")
    hook.chmod(0o755)


def token(tmp_path: Path, text: str, username: str = USER) -> Token:
    (tmp_path / "token").write_text(f"{text}\n")
    return Token(token_from(tmp_path / "token").read, username)


def refusal(tmp_path: Path, url: str) -> str:
    with (
        opened(tmp_path / "clone", url, credentials=token(tmp_path, TOKEN)) as repository,
        pytest.raises(FailedError, check=refused) as error,
    ):
        repository.fetch()
    return str(error.value)


def test_a_token_publishes_and_shows_nowhere(tmp_path, server):
    """On no command line of any process, and in no file of the clone."""
    url, remote = serve(server, tmp_path)
    # The server looks at every process while git waits for it.
    add_hook(remote, f"cat /proc/[0-9]*/cmdline > {tmp_path}/seen 2>/dev/null; true")
    credentials = token(tmp_path, TOKEN)
    with fetched(tmp_path / "clone", url, credentials=credentials) as repository:
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)
        kept = [path for path in (tmp_path / "clone").rglob("*") if path.is_file()]
        assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]
    assert git(remote, "rev-parse", "main").strip() == commit
    seen = (tmp_path / "seen").read_bytes()
    assert url.encode() in seen, "git was seen at work"
    assert TOKEN.encode() not in seen


def test_a_token_that_is_gone_for_a_while_is_told(tmp_path, server):
    """The daemon stays, and the commit is kept."""
    url, _ = serve(server, tmp_path)
    credentials = token(tmp_path, TOKEN)
    with fetched(tmp_path / "clone", url, credentials=credentials) as repository:
        commit = commit_ours(repository, NEW)
        (tmp_path / "token").unlink()
        report = repository.push()
        assert refused(report)
        assert "--token-file" in report.words
        token(tmp_path, TOKEN)
        assert repository.push() == Published(commit)


def test_a_token_that_may_only_read_is_refused_the_push(tmp_path, server):
    url, remote = serve(server, tmp_path)
    credentials = token(tmp_path, READ_ONLY, "reader")
    with fetched(tmp_path / "clone", url, credentials=credentials) as repository:
        commit = commit_ours(repository, NEW)
        report = repository.push()
        assert refused(report)
        assert "403" in report.words
        assert repository.unpublished == commit
    assert git(remote, "rev-parse", "main").strip() != commit


def test_a_hook_is_heard_through_the_web(tmp_path, server):
    """In its own words, without the colours and bells that it may send."""
    url, remote = serve(server, tmp_path)
    add_hook(remote, "printf 'only \\033[31mon weekdays\\007\\n' >&2\nexit 1")
    with fetched(tmp_path / "clone", url, credentials=token(tmp_path, TOKEN)) as repository:
        commit_ours(repository, NEW)
        report = repository.push()
    assert refused(report)
    assert "on weekdays" in report.words
    assert report.words.isprintable()


def test_a_hook_that_is_slower_than_the_silence_is_waited_for(tmp_path, server):
    """nginx keeps back what git-receive-pack sends meanwhile, so not a byte comes."""
    url, remote = serve(server, tmp_path)
    began = tmp_path / "began"
    add_hook(remote, f"touch {began}; exec sleep 10")
    credentials, limits = token(tmp_path, TOKEN), TimeLimits(silence=8.0)
    with fetched(tmp_path / "clone", url, credentials=credentials) as repository:
        commit = commit_ours(repository, NEW)
    with opened(tmp_path / "clone", url, credentials=credentials, limits=limits) as repository:
        # On a busy machine the silence may be over before the hook begins.
        report = until(
            lambda: (report := repository.push()) and began.exists() and report, "a hook"
        )
    assert report == Published(commit)


def test_a_server_that_repeats_what_it_was_sent_tells_nobody(tmp_path, server):
    """Some show it on the page of an error."""
    words = refusal(tmp_path, f"{server.url}/echo/x.git")
    assert "you sent Basic [secret]" in words
    assert TOKEN not in words


def test_a_reason_for_a_rejection_is_no_place_for_the_token_either(tmp_path, server):
    """Git gives it on standard output, line by line for each branch."""
    url, remote = serve(server, tmp_path)
    git(remote, "config", "receive.procReceiveRefs", "refs/heads")
    hook = remote / "hooks" / "proc-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!{sys.executable}\n{PROC_RECEIVE}")
    hook.chmod(0o755)
    with fetched(tmp_path / "clone", url, credentials=token(tmp_path, TOKEN)) as repository:
        commit_ours(repository, NEW)
        report = repository.push()
    assert isinstance(report, Failed)
    assert "no [secret] here" in report.words


def test_a_server_that_nobody_vouches_for_is_not_talked_to(tmp_path, server, monkeypatch):
    """A stranger in between would look like this; it may also be a certificate that ran out."""
    monkeypatch.delenv("GIT_SSL_CAINFO")
    url, _ = serve(server, tmp_path)
    with (
        opened(tmp_path / "clone", url, credentials=token(tmp_path, TOKEN)) as repository,
        pytest.raises(OutsideError, match="certificate"),
    ):
        repository.fetch()


def test_a_server_in_trouble_is_unreachable(tmp_path, server):
    """It said 503: waiting helps."""
    with (
        opened(
            tmp_path / "clone", f"{server.url}/busy/x.git", credentials=token(tmp_path, TOKEN)
        ) as repository,
        pytest.raises(FailedError, check=away, match="503"),
    ):
        repository.fetch()


def test_a_server_that_takes_the_connection_and_says_nothing_is_unreachable(tmp_path):
    """In the time that was given."""
    with listener() as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"
        limits = TimeLimits(ask=1.0, fetch=1.0)
        with (
            opened(tmp_path / "clone", url, limits=limits) as repository,
            pytest.raises(FailedError, check=away, match="no answer within 1 s"),
        ):
            repository.fetch()


def test_a_token_is_not_sent_to_whom_the_server_points_to(tmp_path, monkeypatch):
    """It is for one host; another that asks for a password gets none."""
    heard: list[bytes] = []
    with listener() as stranger:
        answering = threading.Thread(target=_ask_for_a_password, args=(stranger, heard))
        answering.start()
        elsewhere = f"http://127.0.0.1:{stranger.getsockname()[1]}"
        with web_server(tmp_path / "web", tls=False, elsewhere=elsewhere) as server:
            words = refusal(tmp_path, f"{server.url}/moved/x.git")
        stranger.shutdown(2)
        answering.join()
    assert f"the repository moved to {elsewhere}/moved/x.git" in words
    assert len(heard) >= 1
    assert not [request for request in heard if b"authorization" in request.lower()]


def test_a_token_file_that_is_not_there_is_named(tmp_path):
    """Before anything is asked over the network."""
    with pytest.raises(InputError, match=r"--token-file .*nowhere"):
        token_from(tmp_path / "nowhere")


def test_a_token_file_that_goes_before_the_start_is_bad_input(tmp_path):
    credentials = token(tmp_path, TOKEN)
    (tmp_path / "token").unlink()
    with pytest.raises(InputError, match="--token-file"):
        Repository(
            tmp_path / "clone", "https://127.0.0.1:9/x.git", "main", credentials=credentials
        ).open()


def _ask_for_a_password(stranger, heard: list[bytes]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = stranger.accept()
            with closing(connection):
                heard.append(connection.recv(65536))
                connection.sendall(
                    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n"
                    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
                )


def test_a_push_that_is_redirected_names_the_new_address_though_nobody_answers_there(tmp_path):
    """The look and the push say the same, whatever is at the other end."""
    new = f"http://127.0.0.1:{free_port()}/new/home.git"
    moved = lambda asked: Says(301, headers={"Location": new + asked.path.partition(".git")[2]})  # noqa: E731
    with (
        stand_in(moved) as here,
        opened(tmp_path / "clone", f"{here.url}/home.git") as repository,
    ):
        report = repository.remote.rehearse_push("0" * 40)
        with pytest.raises(FailedError, check=refused) as error:
            repository.fetch()
    assert refused(report)
    for words in (report.words, str(error.value)):
        assert f"the repository moved to {new}: give that as --repo" in words


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_the_new_address_is_named(tmp_path, status):
    """It could lead to plain http, or to a server that nobody named; our token stays here."""
    moved = Says(status, headers={"Location": ""})
    login = Says(401, b"", {"WWW-Authenticate": 'Basic realm="there"'})
    with stand_in(lambda _asked: login) as there:
        target = f"{there.url}/new/home.git"
        answer = lambda asked: replace(  # noqa: E731
            moved, headers={"Location": target + asked.path.partition(".git")[2]}
        )
        with (
            stand_in(answer) as here,
            opened(
                tmp_path / "clone", f"{here.url}/home.git", credentials=Token(lambda: TOKEN)
            ) as repository,
            pytest.raises(FailedError, check=refused) as error,
        ):
            repository.fetch()
    assert f"the repository moved to {target}" in str(error.value)
    assert "--repo" in str(error.value)
    assert all("authorization" not in asked.headers for asked in there.asked)
