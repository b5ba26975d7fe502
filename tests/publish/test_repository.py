"""Naming a branch: what is refused before anything is done, and in which words."""

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.credentials import Token
from gitops_prefix.publish.failure import FailedError
from gitops_prefix.publish.repository import Repository
from tests.branch import MANAGED, bare_repository, fetched, opened, somebody_pushes
from tests.gitrepo import git
from tests.publish.failing import away, refused


@pytest.fixture
def remote(tmp_path):
    return bare_repository(tmp_path, {"a.yaml": MANAGED})


def test_a_fetch_says_whether_the_branch_moved(tmp_path, remote):
    with opened(tmp_path / "clone", remote) as repository:
        assert repository.tip is None
        assert repository.fetch()
        assert not repository.fetch()
        theirs = somebody_pushes(tmp_path)
        assert repository.fetch()
        assert repository.tip == repository.base == theirs


@pytest.mark.parametrize("form", ["{}", "file://{}", "{}/"])
def test_a_directory_is_a_remote(tmp_path, remote, form):
    with fetched(tmp_path / "clone", form.format(remote)) as repository:
        assert list(repository.managed_files(repository.tip)) == ["a.yaml"]


@pytest.mark.parametrize("form", ["remote.git", "./remote.git", "tree"])
def test_a_directory_is_named_from_where_we_are(tmp_path, remote, monkeypatch, form):
    """Not from the clone, where git runs; a checkout is a repository, too."""
    monkeypatch.chdir(tmp_path)
    with fetched(tmp_path / "clone", form) as repository:
        assert "a.yaml" in repository.managed_files(repository.tip)


def test_other_branches_and_tags_are_not_meant(tmp_path, remote):
    """Even those whose names end alike."""
    tip = git(remote, "rev-parse", "main").strip()
    for name in ("heads/old/main", "tags/main", "heads/refs/heads/main"):
        git(remote, "update-ref", f"refs/{name}", somebody_pushes(tmp_path, name.replace("/", "-")))
    git(remote, "update-ref", "refs/heads/main", tip)
    with fetched(tmp_path / "clone", remote) as repository:
        assert repository.tip == tip


@pytest.mark.parametrize(
    "branch", ["", "a b", "a..b", "-main", "main.lock", "a~1", "/main", "@{-1}"]
)
def test_what_is_no_name_of_a_branch(tmp_path, remote, branch):
    """As git-check-ref-format(1) has it; nothing is made."""
    with pytest.raises(InputError, match="is no name of a branch"):
        Repository(tmp_path / "clone", str(remote), branch).open()
    assert not (tmp_path / "clone").exists()


def test_a_branch_that_is_not_there_is_told_with_those_that_are(tmp_path, remote):
    git(remote, "branch", "production", "main")
    with (
        opened(tmp_path / "clone", remote, branch="trunk") as repository,
        pytest.raises(InputError, match=r'no branch "trunk" \(it has: main, production\)'),
    ):
        repository.fetch()


def test_a_remote_without_a_commit_has_no_branch(tmp_path):
    git(tmp_path, "init", "-q", "--bare", "empty.git")
    with (
        opened(tmp_path / "clone", tmp_path / "empty.git") as repository,
        pytest.raises(InputError, match=r'no branch "main" \(it has: none\)'),
    ):
        repository.fetch()


@pytest.mark.parametrize("where", ["nowhere", "empty", "file", "tree/below"])
def test_a_directory_without_a_repository_is_told(tmp_path, remote, where):
    """One inside a checkout is none either; nothing is made."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "tree" / "below").mkdir()
    with pytest.raises(InputError, match="is no Git repository: name one, or make it with git"):
        Repository(tmp_path / "clone", str(tmp_path / where), "main").open()
    assert not (tmp_path / "clone").exists()


def test_a_remote_that_is_away_is_unreachable(tmp_path):
    """Waiting may help."""
    with (
        opened(tmp_path / "clone", "http://127.0.0.1:9/x.git") as repository,
        pytest.raises(FailedError, check=away, match="Failed to connect"),
    ):
        repository.fetch()


def test_a_secret_that_is_gone_is_told_at_the_start(tmp_path):
    """With the option that names it."""
    token = Token(lambda: "")
    with pytest.raises(InputError, match="--token-file"):
        Repository(tmp_path / "clone", "http://127.0.0.1:9/x", "main", credentials=token).open()


def test_a_secret_that_goes_away_later_is_a_refusal(tmp_path):
    """It is being replaced, perhaps; the daemon stays."""
    answers = iter(["token"])
    token = Token(lambda: next(answers, ""))
    with (
        opened(tmp_path / "clone", "http://127.0.0.1:9/x", credentials=token) as repository,
        pytest.raises(FailedError, check=refused, match="--token-file"),
    ):
        repository.fetch()


def test_nothing_can_be_pushed_before_there_is_a_commit(tmp_path, remote):
    with fetched(tmp_path / "clone", remote) as repository, pytest.raises(ValueError, match="push"):
        repository.push()
