"""A real sshd: keys as they are mounted, replaced and limited; hosts that say nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.credentials import SshKey
from gitops_prefix.publish.push_report import Published, Refused
from gitops_prefix.publish.repository import RefusedError, Repository, TimeLimits, UnreachableError
from tests.branch import MANAGED, bare_repository, commit_ours, fetched, opened
from tests.git_servers import SshServer, free_port, listener, new_key, ssh_server
from tests.gitrepo import git

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
        pytest.raises(RefusedError) as error,
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


def test_the_keys_copy_is_private_and_goes_with_us(tmp_path, remote, server, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    url, credentials = server.url(remote), server.credentials
    with fetched(tmp_path / "clone", url, credentials=credentials) as repository:
        (copy,) = tmp_path.glob("gitops-prefix-*/ssh-key")
        assert copy.stat().st_mode & 0o777 == 0o600
        assert copy.parent.stat().st_mode & 0o777 == 0o700
        assert repository.tip is not None
    assert not copy.parent.exists()


def test_a_key_with_a_passphrase_does_not_open_the_door(tmp_path, remote, server):
    """Nobody is asked for it, and no agent or key of the user's is tried."""
    new_key(tmp_path / "key", "12345")
    credentials = SshKey(tmp_path / "key", server.credentials.known_hosts)
    assert "Permission denied" in refusal(tmp_path, server.url(remote), credentials)


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
        assert isinstance(report, Refused)
        assert "marked as read only" in report.words
    with fetched(tmp_path / "clone", url, credentials=server.credentials) as repository:
        assert repository.push() == Published(commit)


def test_a_key_that_goes_and_comes_back_is_read_again(tmp_path, remote, server):
    """A secret is replaced under us; the daemon is told, and stays."""
    key = tmp_path / "key"
    key.write_bytes(server.credentials.key.read_bytes())
    credentials = SshKey(key, server.credentials.known_hosts)
    with fetched(tmp_path / "clone", server.url(remote), credentials=credentials) as repository:
        commit = commit_ours(repository, NEW)
        away = key.rename(tmp_path / "away")
        assert isinstance(repository.push(), Refused)
        with pytest.raises(RefusedError, match=r"--ssh-key .*key: No such file"):
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
            pytest.raises(UnreachableError, match="no answer within 1 s"),
        ):
            repository.fetch()


def test_a_host_that_does_not_listen_is_unreachable(tmp_path, server):
    url = f"ssh://git@127.0.0.1:{free_port()}/x.git"
    with (
        opened(tmp_path / "clone", url, credentials=server.credentials) as repository,
        pytest.raises(UnreachableError, match="Connection refused"),
    ):
        repository.fetch()
