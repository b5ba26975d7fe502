"""Real servers: keys and tokens let us in, show nowhere, and wrong ones are refused."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.credentials import NoCredentials
from gitops_prefix.publish.failure import FailedError, Kind, Published
from gitops_prefix.publish.repository import Repository
from tests.branch import (
    MANAGED,
    NOON,
    bare_repository,
    commit_ours,
    fetched,
    opened,
    somebody_pushes,
)
from tests.git_servers import Server, http_remote, ssh_remote
from tests.gitrepo import commit_all, git
from tests.publish.failing import away, moved, refused
from tests.publish.logins import key, token

NEW = {"a.yaml": b"new\n"}


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[Server]:
    with ssh_remote(tmp_path) as server:
        yield server


@pytest.fixture
def http(tmp_path: Path) -> Iterator[Server]:
    with http_remote(tmp_path) as server:
        yield server


def publish(server: Server, clone: Path, credentials) -> None:
    with fetched(clone, server.url, credentials=credentials) as repository:
        assert list(repository.managed_files(repository.tip)) == ["a.yaml"]
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)
    assert git(server.repository, "rev-parse", "main").strip() == commit


def test_a_key_publishes(tmp_path, ssh):
    publish(ssh, tmp_path / "clone", key(ssh))


def test_a_host_key_that_is_not_known_is_refused(tmp_path, ssh):
    """There is no first use that is trusted; nothing is written down."""
    known = ssh.directory / "known_hosts"
    of_another = f"git.example.com {(ssh.directory / 'host.pub').read_text()}"
    known.write_text(of_another)
    with (
        opened(tmp_path / "clone", ssh.url, credentials=key(ssh)) as repository,
        pytest.raises(FailedError, check=refused, match="Host key verification failed"),
    ):
        repository.fetch()
    assert known.read_text() == of_another


def test_another_host_key_is_refused(tmp_path, ssh):
    """Somebody in the middle, or a new machine: a person must look."""
    known = ssh.directory / "known_hosts"
    stranger = (ssh.directory / "stranger.pub").read_text()
    known.write_text(f"{known.read_text().split()[0]} {stranger}")
    with (
        opened(tmp_path / "clone", ssh.url, credentials=key(ssh)) as repository,
        pytest.raises(FailedError, check=refused, match="Host key verification failed"),
    ):
        repository.fetch()


def test_a_key_that_the_server_does_not_know_is_refused(tmp_path, ssh):
    with (
        opened(tmp_path / "clone", ssh.url, credentials=key(ssh, "stranger")) as repository,
        pytest.raises(FailedError, check=refused, match="Permission denied"),
    ):
        repository.fetch()


def test_a_token_publishes(tmp_path, http):
    publish(http, tmp_path / "clone", token(tmp_path))


def test_a_wrong_token_is_refused_and_not_repeated(tmp_path, http, caplog):
    """The words hold no secret, whoever wrote them."""
    with (
        opened(tmp_path / "clone", http.url, credentials=token(tmp_path, "wr0ng")) as repository,
        pytest.raises(FailedError, check=refused, match="Authentication failed") as error,
    ):
        repository.fetch()
    assert "wr0ng" not in str(error.value) + caplog.text


def test_no_token_is_refused_and_nobody_is_asked(tmp_path, http):
    """A daemon has no terminal."""
    with (
        opened(tmp_path / "clone", http.url, credentials=NoCredentials()) as repository,
        pytest.raises(FailedError, check=refused, match="could not read Username"),
    ):
        repository.fetch()


def test_a_token_that_was_rotated_counts_at_once(tmp_path, http):
    credentials = token(tmp_path, "old")
    with opened(tmp_path / "clone", http.url, credentials=credentials) as repository:
        with pytest.raises(FailedError, check=refused):
            repository.fetch()
        token(tmp_path)
        assert repository.fetch()


def test_a_repository_that_is_not_there_is_refused(tmp_path, http):
    url = http.url.replace("home.git", "nowhere.git")
    with (
        opened(tmp_path / "clone", url, credentials=token(tmp_path)) as repository,
        pytest.raises(FailedError, check=refused, match="not found"),
    ):
        repository.fetch()


def test_a_server_may_allow_reading_alone(tmp_path, http):
    """The commit waits until somebody gives the right."""
    git(http.repository, "config", "http.receivepack", "false")
    with fetched(tmp_path / "clone", http.url, credentials=token(tmp_path)) as repository:
        commit = commit_ours(repository, NEW)
        assert refused(repository.push())
        git(http.repository, "config", "http.receivepack", "true")
        assert repository.push() == Published(commit)


@pytest.mark.parametrize("protocol", ["ssh", "http"])
def test_a_hook_and_a_race_are_told_over_the_wire(tmp_path, protocol, request):
    """In the words that a directory's own repository uses."""
    server = request.getfixturevalue(protocol)
    credentials = key(server) if protocol == "ssh" else token(tmp_path)
    hook = server.repository / "hooks" / "pre-receive"
    with fetched(tmp_path / "clone", server.url, credentials=credentials) as repository:
        commit_ours(repository, NEW)
        hook.write_text("#!/bin/sh\necho 'not on Sundays' >&2\nexit 1\n")
        hook.chmod(0o755)
        report = repository.push()
        assert refused(report)
        assert "not on Sundays" in report.words
        hook.unlink()
        theirs = somebody_pushes(tmp_path)
        assert moved(repository.push())
    assert git(server.repository, "rev-parse", "main").strip() == theirs


def test_a_server_that_is_gone_is_unreachable(tmp_path):
    """And not refused: it comes back."""
    with http_remote(tmp_path) as server:
        pass
    with (
        opened(tmp_path / "clone", server.url, credentials=token(tmp_path)) as repository,
        pytest.raises(FailedError, check=away, match="Failed to connect"),
    ):
        repository.fetch()


@pytest.mark.parametrize("over", ["path", "ssh", "http"])
def test_a_sha256_repository_is_published_to(tmp_path, over: str, request):
    """GitLab, Gitea and Forgejo offer them; and a clone of the other kind is made anew."""
    remote, credentials = tmp_path / "r.git", NoCredentials()
    url = str(remote)
    if over != "path":
        server = request.getfixturevalue(over)
        remote, url = server.repository, server.url
        credentials = key(server) if over == "ssh" else token(tmp_path)
        with fetched(tmp_path / "clone", url, credentials=credentials) as repository:
            assert len(repository.tip) == 40
        shutil.rmtree(remote)
    new_sha256_repository(tmp_path, remote)
    for _ in range(2):
        with fetched(tmp_path / "clone", url, credentials=credentials) as repository:
            assert len(repository.tip) == 64
            assert list(repository.managed_files(repository.tip)) == ["a.yaml"]
            commit = commit_ours(
                repository, {"a.yaml": MANAGED + b"%d\n" % len(list(tmp_path.iterdir()))}
            )
            assert repository.push() == Published(commit)
            assert not repository.heal()
            (tmp_path / "again").touch()


def test_a_proposal_goes_to_a_sha256_repository(tmp_path):
    remote = new_sha256_repository(tmp_path, tmp_path / "r.git")
    with fetched(tmp_path / "clone", remote) as repository:
        branches = repository.push_branches("gitops-prefix/{name}")
        branches.look()
        place = branches.place("gitops-prefix/home")
        message = "ours\n\nProposed-To: main\n"
        commit = repository.commit(repository.tip, NEW, message, NOON, reference=place)
        assert branches.push("gitops-prefix/home") == Published(commit)
        assert branches.parent(commit) == repository.tip


@pytest.mark.parametrize("over", ["path", "ssh", "http"])
def test_a_repository_that_keeps_its_references_in_a_reftable_is_published_to(
    tmp_path, over, request
):
    """Ours is read by `for-each-ref`, the remote's by `ls-remote`; nobody reads a file of references."""
    remote, credentials = tmp_path / "r.git", NoCredentials()
    url = str(remote)
    if over != "path":
        server = request.getfixturevalue(over)
        remote, url = server.repository, server.url
        credentials = key(server) if over == "ssh" else token(tmp_path)
        shutil.rmtree(remote)
    tree = tmp_path / "reftable-tree"
    git(tmp_path, "init", "-q", "-b", "main", str(tree))
    (tree / "a.yaml").write_bytes(MANAGED)
    commit_all(tree)
    try:
        git(tmp_path, "init", "-q", "--bare", "--ref-format=reftable", "-b", "main", str(remote))
    except subprocess.CalledProcessError:
        pytest.skip("needs a git that knows reftable (2.45)")
    git(tree, "push", "-q", str(remote), "main")
    git(remote, "config", "http.receivepack", "true")
    with fetched(tmp_path / "clone", url, credentials=credentials) as repository:
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)
    assert git(remote, "rev-parse", "main").strip() == commit


FUTURE = ("core.repositoryformatversion", "1"), ("extensions.formatOfTheFuture", "yes")
"""As a repository with a reftable is to a git before 2.45: an extension that it does not know."""


def test_a_repository_that_needs_a_newer_git_says_so(tmp_path):
    remote = bare_repository(tmp_path, {"a.yaml": MANAGED})
    for setting in FUTURE:
        git(remote, "config", *setting)
    with pytest.raises(InputError) as caught:
        Repository(tmp_path / "clone", str(remote), "main").open()
    words = str(caught.value)
    assert "needs a newer git than the one here" in words and "git 2.45" in words
    assert "formatofthefuture" in words.lower()


def test_and_one_that_became_so_is_refused_until_there_is_one(tmp_path):
    remote = bare_repository(tmp_path, {"a.yaml": MANAGED})
    with fetched(tmp_path / "clone", remote) as repository:
        for setting in FUTURE:
            git(remote, "config", *setting)
        with pytest.raises(FailedError, match=r"install a newer git: .* 2\.45") as caught:
            repository.fetch()
    assert caught.value.failed.kind is Kind.REFUSED


def new_sha256_repository(tmp_path: Path, remote: Path) -> Path:
    tree = tmp_path / "sha256-tree"
    git(tmp_path, "init", "-q", "--object-format=sha256", "-b", "main", str(tree))
    (tree / "a.yaml").write_bytes(MANAGED)
    commit_all(tree)
    git(tmp_path, "clone", "-q", "--bare", str(tree), str(remote))
    git(remote, "config", "http.receivepack", "true")
    return remote
