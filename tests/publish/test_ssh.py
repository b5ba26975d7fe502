"""A real sshd: keys as they are mounted, replaced and limited; hosts that say nothing."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.credentials import SshKey
from gitops_prefix.publish.failure import Failed, FailedError, Published, Reason
from gitops_prefix.publish.repository import Repository, TimeLimits
from gitops_prefix.publish.stages import Stage
from tests.branch import MANAGED, bare_repository, commit_ours, fetched, opened, somebody_pushes
from tests.git_servers import SshServer, free_port, listener, new_key, ssh_remote, ssh_server
from tests.gitrepo import git
from tests.netns import run, until
from tests.publish.failing import away, refused

NEW = {"a.yaml": MANAGED + b"new\n"}


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return bare_repository(tmp_path, {"a.yaml": MANAGED})


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh") / "d") as server:
        yield server


def refusal(tmp_path: Path, url: str, credentials: SshKey) -> str:
    with (
        opened(tmp_path / "clone", url, credentials=credentials) as repository,
        pytest.raises(FailedError, check=refused) as error,
    ):
        repository.fetch()
    return str(error.value)


@pytest.mark.parametrize("mode", [0o600, 0o440, 0o444], ids=oct)
def test_a_deploy_key_publishes_however_it_is_mounted(tmp_path, remote, server, mode):
    """Kubernetes mounts secrets for a group to read, which ssh refuses in a file of ours."""
    key = tmp_path / "key"
    key.write_bytes(server.credentials.key.read_bytes().rstrip())
    key.chmod(mode)
    credentials = SshKey(key, server.credentials.known_hosts)
    with fetched(tmp_path / "clone", server.url(remote), credentials=credentials) as repository:
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)
    assert git(remote, "rev-parse", "main").strip() == commit


def test_odd_paths_are_paths(tmp_path, remote, server):
    """Blanks, quotes and percent signs, which ssh and a shell would each read their way."""
    directory = tmp_path / "a b'c%h$HOME"
    directory.mkdir()
    credentials = SshKey(directory / "key", directory / "known hosts")
    credentials.key.write_bytes(server.credentials.key.read_bytes())
    credentials.known_hosts.write_bytes(server.credentials.known_hosts.read_bytes())
    odd = remote.rename(directory / "remote.git")
    url = server.url(odd).replace("%", "%25")
    with fetched(directory / "clone", url, credentials=credentials) as repository:
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)


def test_a_key_with_a_passphrase_is_bad_input(tmp_path, remote, server):
    """Nobody is there to be asked for it, and no agent or key of the user's is tried."""
    new_key(tmp_path / "key", "12345")
    credentials = SshKey(tmp_path / "key", server.credentials.known_hosts)
    repository = Repository(tmp_path / "clone", server.url(remote), "main", credentials=credentials)
    with pytest.raises(InputError, match=r"--ssh-key .*key is protected by a passphrase"):
        repository.open()


def test_a_key_that_is_replaced_by_one_with_a_passphrase_is_refused(tmp_path, remote, server):
    """The daemon reports it, and stays."""
    key = tmp_path / "key"
    key.write_bytes(server.credentials.key.read_bytes())
    credentials = SshKey(key, server.credentials.known_hosts)
    with fetched(tmp_path / "clone", server.url(remote), credentials=credentials) as repository:
        new_key(tmp_path / "locked", "12345")
        key.write_bytes((tmp_path / "locked").read_bytes())
        with pytest.raises(FailedError, check=refused, match="protected by a passphrase"):
            repository.fetch()


def as_scanned(server: SshServer, *options: str) -> bytes:
    """What ssh-keyscan prints, comments and all."""
    words = ["ssh-keyscan", *options, "-p", str(server.port), "127.0.0.1"]
    answer = subprocess.run(words, capture_output=True, check=True, timeout=120)
    assert answer.stdout
    return answer.stderr + answer.stdout


KNOWN_HOSTS = {
    "ssh-keyscan": lambda ours, _: ours,
    "ssh-keyscan -H": lambda _, hashed: hashed,
    "comments and empty lines": lambda ours, _: b"# ours\n\n  # more\n" + ours + b"\n",
    "no line end at the end": lambda ours, _: ours.rstrip(),
    "keys of other types and hosts": lambda ours, _: (
        b"git.example.com,192.0.2.1 ecdsa-sha2-nistp256 AAAAE2VjZHNh ops@example.com\n" + ours
    ),
    "several, hashed and plain": lambda ours, hashed: hashed + ours,
}


@pytest.mark.parametrize("written", KNOWN_HOSTS.values(), ids=KNOWN_HOSTS)
def test_host_keys_as_people_write_them_down(tmp_path, remote, server, written):
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_bytes(written(as_scanned(server), as_scanned(server, "-H")))
    credentials = SshKey(server.credentials.key, known_hosts)
    with fetched(tmp_path / "clone", server.url(remote), credentials=credentials) as repository:
        assert repository.tip is not None


def test_host_keys_of_others_are_not_believed(tmp_path, remote, server):
    """A host that nobody wrote down is refused, though its name may be right."""
    known_hosts = tmp_path / "known_hosts"
    stranger = (server.directory / "stranger.pub").read_text()
    known_hosts.write_text(f"git.example.com {stranger}")
    credentials = SshKey(server.credentials.key, known_hosts)
    assert "Host key verification failed" in refusal(tmp_path, server.url(remote), credentials)


KEYS = {
    "ed25519": ("-t", "ed25519"),
    "rsa": ("-t", "rsa", "-b", "2048"),
    "rsa in PEM": ("-t", "rsa", "-b", "2048", "-m", "PEM"),
    "ecdsa in PKCS 8": ("-t", "ecdsa", "-m", "PKCS8"),
}


@pytest.mark.parametrize("options", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""], ids=["LF", "CRLF", "no end"])
def test_a_key_of_any_type_and_form_opens_the_door(tmp_path, remote, server, options, end):
    """As it comes out of a secret that went through somebody's editor."""
    key = tmp_path / "key"
    run("ssh-keygen", "-q", *options, "-N", "", "-f", str(key))
    with (server.directory / "authorized_keys").open("a") as authorized:
        authorized.write(key.with_name("key.pub").read_text())
    lines = key.read_bytes().splitlines()
    key.with_name("key.pub").unlink()
    key.write_bytes((end or b"\n").join(lines) + end)
    key.chmod(0o440)
    credentials = SshKey(key, server.credentials.known_hosts)
    with fetched(tmp_path / "clone", server.url(remote), credentials=credentials) as repository:
        assert repository.tip is not None


def test_a_repository_that_is_not_there_is_refused(tmp_path, server):
    words = refusal(tmp_path, server.url(tmp_path / "nowhere.git"), server.credentials)
    assert "does not appear to be a git repository" in words


def test_a_key_that_may_only_read_is_told_so_by_the_server(tmp_path, remote, server):
    """The commit is kept: the key may be allowed to write in a minute."""
    credentials = SshKey(server.directory / "reader", server.credentials.known_hosts)
    url = server.url(remote)
    with fetched(tmp_path / "clone", url, credentials=credentials) as repository:
        commit = commit_ours(repository, NEW)
        report = repository.push()
        assert refused(report)
        assert "marked as read only" in report.words
    with fetched(tmp_path / "clone", url, credentials=server.credentials) as repository:
        assert repository.push() == Published(commit)


def test_a_key_that_goes_and_comes_back_is_read_again(tmp_path, remote, server):
    """A secret is replaced under us; the daemon reports it, and stays."""
    key = tmp_path / "key"
    key.write_bytes(server.credentials.key.read_bytes())
    credentials = SshKey(key, server.credentials.known_hosts)
    with fetched(tmp_path / "clone", server.url(remote), credentials=credentials) as repository:
        commit = commit_ours(repository, NEW)
        away = key.rename(tmp_path / "away")
        assert refused(repository.push())
        with pytest.raises(FailedError, check=refused, match=r"--ssh-key .*key: No such file"):
            repository.fetch()
        away.rename(key)
        assert repository.push() == Published(commit)


def test_a_key_that_was_never_there_is_bad_input(tmp_path, remote, server):
    """Known before anything is asked over the network."""
    credentials = SshKey(tmp_path / "nowhere", server.credentials.known_hosts)
    repository = Repository(tmp_path / "clone", server.url(remote), "main", credentials=credentials)
    with pytest.raises(InputError, match=r"--ssh-key .*nowhere: No such file"):
        repository.open()


def test_a_host_that_takes_the_connection_and_says_nothing_is_unreachable(tmp_path, server):
    """In the time that was given, and not when it pleases."""
    limits = TimeLimits(ask=1.0, fetch=1.0)
    with listener() as silent:
        url = f"ssh://git@127.0.0.1:{silent.getsockname()[1]}/x.git"
        with (
            opened(
                tmp_path / "clone", url, credentials=server.credentials, limits=limits
            ) as repository,
            pytest.raises(FailedError, check=away, match="no answer within 1 s"),
        ):
            repository.fetch()


def test_a_host_that_does_not_listen_is_unreachable(tmp_path, server):
    url = f"ssh://git@127.0.0.1:{free_port()}/x.git"
    with (
        opened(tmp_path / "clone", url, credentials=server.credentials) as repository,
        pytest.raises(FailedError, check=away, match="Connection refused"),
    ):
        repository.fetch()


LOOKS = """#!/bin/sh
# The first call asks for the tip, and is answered.
[ -e {asked} ] && exec {stuck}
touch {asked}
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""
STUCK = """#!{python}
import os, shlex, subprocess, sys, time
words = shlex.split(os.environ["SSH_ORIGINAL_COMMAND"])
served = subprocess.Popen(words, stdin=subprocess.PIPE)
while data := os.read(0, 65536):
    if b"want " in data:
        time.sleep(300)
    served.stdin.write(data)
    served.stdin.flush()
"""


def test_a_fetch_in_which_nothing_comes_ends_long_before_its_time(tmp_path):
    """sshd lives and answers, and what serves the repository is stuck; then it is mended."""
    with ssh_remote(tmp_path) as server:
        directory = server.directory
        allowed = (directory / "authorized_keys").read_text()
        looks, stuck = directory / "looks", directory / "stuck"
        looks.write_text(LOOKS.format(asked=directory / "asked", stuck=stuck))
        stuck.write_text(STUCK.format(python=sys.executable))
        for program in (looks, stuck):
            program.chmod(0o755)
        key = SshKey(directory / "deploy", directory / "known_hosts")
        with fetched(tmp_path / "clone", server.url, credentials=key) as repository:
            before = repository.tip
        theirs = somebody_pushes(tmp_path)
        (directory / "authorized_keys").write_text(f'command="{looks}" {allowed}')
        limits = TimeLimits(silence=6.0)
        with opened(tmp_path / "clone", server.url, credentials=key, limits=limits) as repository:
            # On a busy machine the look before it may take longer than that silence, too.
            failed = until(
                lambda: (why := silence_of(repository)).stage is Stage.FETCH and why, "it", 600
            )
            assert failed.reason is Reason.TIMEOUT
            assert repository.tip == before
        (directory / "authorized_keys").write_text(allowed)
        # On a busy machine a login may take longer than that silence.
        with opened(tmp_path / "clone", server.url, credentials=key) as repository:
            assert repository.fetch()
            assert repository.tip == theirs


def silence_of(repository: Repository) -> Failed:
    with pytest.raises(FailedError, match="not a byte came", check=away) as error:
        repository.fetch()
    return error.value.failed


def connections(server: SshServer) -> int:
    return (server.directory / "log").read_text().count("Accepted publickey")


def running(tmp_path: Path) -> list[str]:
    """ssh with a shared connection below this directory, which is the working directory of it."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and Path(entry, "cwd").readlink().is_relative_to(tmp_path):
                found.append(Path(entry, "cmdline").read_bytes().decode())
    return [words for words in found if "ControlPath=ssh-connection" in words]


def test_the_calls_of_a_pass_share_one_connection(tmp_path, remote, server):
    key = server.credentials
    with fetched(tmp_path / "clone", server.url(remote), credentials=key) as repository:
        before = connections(server)
        with repository.connected():
            somebody_pushes(tmp_path)
            assert repository.fetch()
            commit = commit_ours(repository, NEW)
            assert repository.push() == Published(commit)
            assert running(tmp_path)
        assert connections(server) == before + 1
        until(lambda: not running(tmp_path), "ssh has ended")
        assert not repository.fetch()
        assert connections(server) == before + 2


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_repository_by_its_path_needs_no_server_though_a_key_is_given(
    tmp_path, remote, server, form
):
    key, before = server.credentials, connections(server)
    url = form.format(remote)
    with (
        fetched(tmp_path / "clone", url, credentials=key) as repository,
        repository.connected(),
    ):
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)
        assert not repository.fetch()
    assert connections(server) == before


def test_a_connection_that_broke_is_made_again(tmp_path, remote, server):
    key = server.credentials
    with fetched(tmp_path / "clone", server.url(remote), credentials=key) as repository:
        before = connections(server)
        with repository.connected():
            assert not repository.fetch()
            run("pkill", "-KILL", "-f", f"ControlPath=ssh-connection.*{server.port}")
            until(lambda: not running(tmp_path), "ssh is gone")
            commit = commit_ours(repository, NEW)
            assert repository.push() == Published(commit)
        assert connections(server) == before + 2


@pytest.mark.parametrize("connected", [True, False])
def test_a_key_that_the_server_does_not_know_is_refused_in_the_same_words(
    tmp_path, remote, server, connected
):
    key = SshKey(server.directory / "stranger", server.credentials.known_hosts)
    with (
        opened(tmp_path / "clone", server.url(remote), credentials=key) as repository,
        repository.connected() if connected else nullcontext(),
        pytest.raises(FailedError, check=refused, match="Permission denied") as error,
    ):
        repository.fetch()
    assert error.value.failed.reason is Reason.AUTHENTICATION
    assert "deploy key that may write" in str(error.value)


KILLED = """
import os, signal, sys
from pathlib import Path
from gitops_prefix.publish.credentials import SshKey
from gitops_prefix.publish.repository import Repository
clone, url, key, known_hosts = sys.argv[1:]
repository = Repository(Path(clone), url, "main", credentials=SshKey(Path(key), Path(known_hosts)))
repository.open()
with repository.connected():
    repository.fetch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_connection_of_a_daemon_that_is_killed_ends(tmp_path, remote, server):
    key = server.credentials
    words = [str(tmp_path / "clone"), server.url(remote), str(key.key), str(key.known_hosts)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], check=False, timeout=120)
    assert killed.returncode == -9
    until(lambda: not running(tmp_path), "ssh has ended")
    assert not (tmp_path / "clone" / "ssh-connection").exists()
