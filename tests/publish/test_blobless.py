"""A clone without the contents that nobody searches: what comes, when, and that all else works."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_prefix.publish.failure import FailedError, Published
from gitops_prefix.publish.git import GitFailedError
from gitops_prefix.publish.repository import Repository, Scope
from tests.branch import MANAGED, bare_repository, commit_ours, fetched, somebody_pushes
from tests.git_servers import http_remote, ssh_remote
from tests.gitrepo import git
from tests.publish.clones import APPS, FILES, SEARCHED, drop, generous, held
from tests.publish.failing import away
from tests.publish.logins import key, token


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A server that can leave contents out, as the forges do."""
    return generous(bare_repository(tmp_path, FILES))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "clone" / "repository.git"


@pytest.fixture
def ours(tmp_path: Path, remote: Path) -> Iterator[Repository]:
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        yield repository


def test_only_what_is_searched_comes(ours, store):
    """Of a large repository, --path's manifests and the settings; and nothing is remembered of where from."""
    assert held(store) == SEARCHED
    assert list(ours.managed_files(ours.tip)) == ["apps/a.yaml", "gitops-prefix.yaml"]
    assert "remote" not in (store / "config").read_text()


def test_a_repository_of_manifests_comes_at_once(tmp_path, store):
    """Where most is searched anyway, all of it is; but for what is long, and of a kind that is never read."""
    files = {f"{number}.yaml": MANAGED + b"%d" % number for number in range(20)}
    long = bytes(5 * 1024 * 1024 + 1)
    remote = generous(bare_repository(tmp_path, {**files, "a.md": b"a\n", "z.zip": long}))
    with fetched(tmp_path / "clone", remote):
        assert held(store) == {*files, "a.md"}


@pytest.mark.parametrize("setting", ["uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"])
@pytest.mark.parametrize("protocol", ["ssh", "http", "path"])
def test_it_works_with_every_server(tmp_path, protocol, setting):
    """Those that leave nothing out, and those that give no single object, send everything.

    Over ssh, git speaks its old protocol with a server that takes no variables.
    """
    for each, start, login in [
        ("ssh", ssh_remote, key),
        ("http", http_remote, lambda _: token(tmp_path)),
    ]:
        if protocol == each:
            with start(tmp_path) as server:
                generous(server.repository)
                git(server.repository, "config", setting, "false")
                push(tmp_path, FILES)
                works(tmp_path, server.url, credentials=login(server))
            return
    remote = generous(bare_repository(tmp_path, FILES))
    git(remote, "config", setting, "false")
    works(tmp_path, remote)


def push(directory: Path, files: dict[str, bytes]) -> None:
    """Somebody's commit, from the checkout beside the remote."""
    tree = directory / "tree"
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "theirs")
    git(tree, "push", "-q", "origin", "main")


def works(tmp_path: Path, url: object, **options) -> None:
    """Fetch, read, commit, push, and once more on somebody else's commit."""
    with fetched(tmp_path / "clone", url, scope=APPS, **options) as repository:
        for number in range(2):
            assert "apps/a.yaml" in repository.managed_files(repository.tip)
            commit = commit_ours(repository, {"apps/a.yaml": MANAGED + b"%d\n" % number})
            assert repository.push() == Published(commit)
            somebody_pushes(tmp_path, f"apps/{number}.yaml")
            assert repository.fetch()
            assert f"apps/{number}.yaml" in repository.managed_files(repository.tip)


def test_another_tip_brings_what_changed_in_what_is_searched(tmp_path, ours, store):
    """Its other files stay away."""
    changed = {"src/1.go": b"package y\n", "other/c.yaml": b"a: 1\n", "apps/new.yaml": b"new: 1\n"}
    push(tmp_path, changed)
    assert ours.fetch()
    assert held(store) == SEARCHED | {"apps/new.yaml"}


def test_our_commit_leaves_the_files_that_are_not_here_as_they_are(ours, remote):
    """Every one of them is in the tree that is pushed, unread."""
    before = git(remote, "ls-tree", "-r", "main").splitlines()
    commit = commit_ours(ours, {"apps/a.yaml": b"new\n"})
    assert ours.push() == Published(commit)
    after = git(remote, "ls-tree", "-r", "main").splitlines()
    assert len(set(after) - set(before)) == 1
    assert git(remote, "fsck", "--strict") == ""


def test_it_opens_again_as_it_was(tmp_path, ours, remote, store):
    """What is left out is no damage: neither at the next start nor after a failure."""
    commit = commit_ours(ours, {"apps/a.yaml": b"new\n"})
    assert not ours.heal()
    ours.close()
    with fetched(tmp_path / "clone", remote, scope=APPS) as again:
        assert held(store) == SEARCHED
        assert again.unpublished == commit
        assert again.push() == Published(commit)


def test_a_wider_scope_brings_the_rest(tmp_path, ours, remote, store):
    """--path was changed between two starts; the tip was not."""
    ours.close()
    with fetched(tmp_path / "clone", remote) as again:
        assert set(again.managed_files(again.tip)) == {
            "apps/a.yaml",
            "gitops-prefix.yaml",
            "other/c.yaml",
        }
        # Most of it is searched, so all of it comes at once.
        assert held(store) == set(FILES)


def test_the_tip_moves_when_all_of_it_is_here(tmp_path, ours, remote):
    """A line that breaks off between trees and contents leaves the old tip, which can be read."""
    before = ours.tip
    push(tmp_path, {"apps/new.yaml": MANAGED + b"new\n"})
    blob = git(remote, "rev-parse", "main:apps/new.yaml").strip()
    loose = remote / "objects" / blob[:2] / blob[2:]
    hidden = loose.rename(tmp_path / "hidden")
    with pytest.raises(FailedError, check=away):
        ours.fetch()
    assert ours.tip == before
    assert "apps/a.yaml" in ours.managed_files(ours.tip)
    hidden.rename(loose)
    assert ours.fetch()
    assert "apps/new.yaml" in ours.managed_files(ours.tip)


def test_contents_that_got_lost_come_again(ours, store):
    """What is not there is what was left out, to git; we know what we need."""
    tip = ours.tip
    drop(store, f"{tip}:apps/a.yaml")
    with pytest.raises((GitFailedError, FailedError)):
        ours.managed_files(tip)
    ours.fetch()
    assert "apps/a.yaml" in ours.managed_files(tip)


def test_a_directory_that_got_lost_is_damage(tmp_path, ours, remote, store):
    """A tree is never left out: the clone is made anew, with what waits if it can be had."""
    tip = ours.tip
    drop(store, f"{tip}:apps")
    assert ours.heal()
    assert ours.fetch()
    assert "apps/a.yaml" in ours.managed_files(ours.tip)


def test_a_damaged_clone_gives_back_what_waits(tmp_path, ours, remote, store):
    """Copied as it is, with the same contents left out."""
    commit = commit_ours(ours, {"apps/a.yaml": b"new\n"})
    (store / "refs" / "heads" / "main").write_text(f"{'1' * 40}\n")
    assert ours.heal()
    assert ours.unpublished == commit
    assert held(store) == SEARCHED
    assert ours.push() == Published(commit)
    assert git(remote, "show", "main:apps/a.yaml") == "new\n"


def test_many_changes_leave_no_heap(tmp_path, ours, remote, store):
    """Packed by themselves, and nothing that was left out is asked for."""
    for number in range(60):
        commit = commit_ours(ours, {"apps/a.yaml": MANAGED + b"%d\n" % number})
        assert ours.push() == Published(commit)
    assert len(list(store.glob("objects/pack/*.pack"))) < 50
    assert held(store) == SEARCHED
    assert ours.fetch() is False
    somebody_pushes(tmp_path, "apps/new.yaml")
    assert ours.fetch()
    assert "apps/new.yaml" in ours.managed_files(ours.tip)


def test_tidying_that_cannot_be_finished_changes_nothing(tmp_path, ours, store):
    """The old clone stays until the new one holds the same."""
    for number in range(60):
        commit = commit_ours(ours, {"apps/a.yaml": MANAGED + b"%d\n" % number})
    # What git cannot read it would leave out of the copy.
    aside = tmp_path / "clone" / "aside.git"
    aside.write_text("in the way")
    ours.clone.tidy()
    assert ours.unpublished == commit
    assert held(store) == SEARCHED


@pytest.mark.parametrize("folder", ["ap*ps", "a[b]c", "a?c", "a\\b", "-a", ":a", "!a", "ü", "a b"])
def test_a_directory_is_searched_by_its_name(tmp_path, folder):
    """Whatever git would make of it."""
    files = {f"{folder}/a.yaml": MANAGED, "abc/b.yaml": MANAGED, "apxps/c.yaml": MANAGED}
    remote = generous(bare_repository(tmp_path, files))
    with fetched(tmp_path / "clone", remote, scope=Scope(folder)) as repository:
        assert list(repository.managed_files(repository.tip)) == [f"{folder}/a.yaml"]


def test_links_submodules_and_pointers_are_left_alone(tmp_path, store):
    """Nothing of them is fetched, followed or smudged, whatever the attributes say."""
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 9\n" % (b"0" * 64)
    remote = generous(
        bare_repository(
            tmp_path,
            {
                "apps/a.yaml": MANAGED,
                "apps/large.yaml": pointer,
                ".gitattributes": b"*.yaml filter=lfs diff=lfs merge=lfs -text\n*.yaml binary\n",
                ".gitmodules": b'[submodule "x"]\n\tpath = apps/x.yaml\n\turl = ext::sh -c touch% ran\n'
                b'[submodule "y"]\n\tpath = y\n\turl = -u./ran\n',
                **{f"src/{number}": b"%d" % number for number in range(9)},
            },
        )
    )  # fmt: skip
    tree = tmp_path / "tree"
    git(tree, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},apps/x.yaml")
    (tree / "apps" / "link.yaml").symlink_to("a.yaml")
    git(tree, "add", "apps/link.yaml")
    git(tree, "commit", "-qm", "odd")
    git(tree, "push", "-q", "origin", "main")
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        assert list(repository.managed_files(repository.tip)) == ["apps/a.yaml"]
        assert held(store) == {"apps/a.yaml", "apps/large.yaml"}
        commit = commit_ours(repository, {"apps/a.yaml": b"new\n"})
        assert repository.push() == Published(commit)
    assert git(remote, "show", "main:apps/large.yaml").encode() == pointer
    assert "160000 commit" in git(remote, "ls-tree", "main", "apps/x.yaml")
