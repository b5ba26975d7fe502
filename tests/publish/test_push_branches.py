"""Branches of ours at the remote: what comes of them, whose they are, and what a push may do."""

from pathlib import Path

import pytest

from gitops_prefix.publish.commit_maker import Identity
from gitops_prefix.publish.failure import Failed, Kind, Published, Reason
from gitops_prefix.publish.message import PROPOSED_TO
from gitops_prefix.publish.push_branches import PushBranches
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.signing import SshSigning
from tests.branch import MANAGED, NOON, bare_repository, fetched
from tests.git_servers import new_key
from tests.gitrepo import git
from tests.publish.clones import APPS, FILES, SEARCHED, generous, held, remove_objects
from tests.publish.failing import moved

BRANCH = "ours/home"
MESSAGE = f"prefix(home): A\n\n{PROPOSED_TO}: main\n"
NEW = {"apps/a.yaml": MANAGED + b"new\n"}


@pytest.fixture(params=["generous", "strict"])
def remote(request, tmp_path: Path) -> Path:
    """A large repository, at a server that can leave contents out, and at one that cannot."""
    bare = bare_repository(tmp_path, FILES)
    return generous(bare) if request.param == "generous" else bare


def propose(repository: Repository, branches: PushBranches, files=NEW, message=MESSAGE) -> str:
    place = branches.place(BRANCH)
    return repository.commit(repository.tip, files, message, NOON, reference=place)


def proposed(repository: Repository) -> PushBranches:
    """Ours, with a commit pushed."""
    branches = repository.push_branches("ours/{name}")
    branches.look()
    commit = propose(repository, branches)
    assert branches.push(BRANCH) == Published(commit)
    return branches


def test_a_branch_is_made_seen_and_replaced(tmp_path, remote):
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        branches = proposed(repository)
        first = branches.seen()[BRANCH]
        assert branches.waiting() == {}
        assert branches.parent(first) == repository.tip
        second = propose(repository, branches, {"apps/a.yaml": MANAGED + b"newer\n"})
        assert branches.push(BRANCH) == Published(second)
        assert git(remote, "rev-parse", BRANCH).strip() == second
        assert branches.seen() == {BRANCH: second}


def test_another_clone_reads_what_is_on_it_and_no_more(tmp_path, remote):
    """Also on an older tip: of a large repository only what is searched comes."""
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        proposed(repository)
    tree = tmp_path / "tree"
    for path in ("apps/a.yaml", "src/1.go"):
        (tree / path).write_bytes(MANAGED + b"theirs\n")
    git(tree, "commit", "-qam", "theirs")
    git(tree, "push", "-q", "origin", "HEAD:main")
    with fetched(tmp_path / "other", remote, scope=APPS) as repository:
        branches = repository.push_branches("ours/{name}")
        branches.look()
        commit = branches.seen()[BRANCH]
        assert repository.managed_files(commit)["apps/a.yaml"] == NEW["apps/a.yaml"]
        assert branches.message(commit) == MESSAGE
        assert branches.parent(commit) != repository.tip
        if remote_leaves_out(remote):
            store = tmp_path / "other" / "repository.git"
            assert held(store, commit) <= SEARCHED | {"gitops-prefix.yaml"}
        again = propose(repository, branches)
        assert branches.push(BRANCH) == Published(again)
    git(remote, "fsck", "--strict")


def remote_leaves_out(remote: Path) -> bool:
    return "allowfilter" in (remote / "config").read_text().lower()


@pytest.mark.parametrize("damage", ["HEAD", "config"])
def test_what_waits_is_kept_where_it_can_be(tmp_path, remote, damage):
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        branches = repository.push_branches("ours/{name}")
        commit = propose(repository, branches)
    (tmp_path / "clone" / "repository.git" / damage).write_text("rubbish")
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        branches = repository.push_branches("ours/{name}")
        assert branches.push(BRANCH) == Published(commit)


def test_what_waited_and_cannot_be_read_is_told(tmp_path, remote, caplog):
    """A commit that is lost is no silent loss."""
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        propose(repository, repository.push_branches("ours/{name}"))
    remove_objects(tmp_path / "clone" / "repository.git")
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        assert proposed(repository).seen()
    assert "could not be read from the damaged clone" in caplog.text


def test_what_moved_unseen_is_not_overwritten(tmp_path, remote):
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        branches = proposed(repository)
        git(remote, "update-ref", f"refs/heads/{BRANCH}", "main")
        propose(repository, branches, {"apps/a.yaml": MANAGED + b"newer\n"})
        assert moved(branches.push(BRANCH))
        branches.look()
        assert branches.push(BRANCH).reason is Reason.HELD
        assert git(remote, "rev-parse", BRANCH) == git(remote, "rev-parse", "main")


def test_a_branch_that_is_gone_is_forgotten_and_made_again(tmp_path, remote):
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        branches = proposed(repository)
        git(remote, "update-ref", "-d", f"refs/heads/{BRANCH}")
        branches.look()
        assert branches.seen() == {}
        commit = propose(repository, branches)
        assert branches.push(BRANCH) == Published(commit)


OTHERS = [
    pytest.param("Ada <ada@example.com>", MESSAGE, id="another committer"),
    pytest.param("gitops-prefix <gitops-prefix@localhost>", "by hand\n", id="no trailer"),
    pytest.param("gitops-prefix <someone@else>", MESSAGE, id="the same name, and another address"),
]


@pytest.mark.parametrize(("committer", "message"), OTHERS)
def test_what_is_not_wholly_ours_is_theirs(tmp_path, remote, committer, message):
    name, _, email = committer.removesuffix(">").partition(" <")
    with fetched(
        tmp_path / "clone", remote, scope=APPS, committer=Identity(name, email)
    ) as repository:
        branches = repository.push_branches("ours/{name}")
        propose(repository, branches, message=message)
        branches.push(BRANCH)
    with fetched(tmp_path / "other", remote, scope=APPS) as repository:
        branches = repository.push_branches("ours/{name}")
        branches.look()
        assert branches.parent(branches.seen()[BRANCH]) is None
        propose(repository, branches)
        assert branches.push(BRANCH).reason is Reason.HELD


NAMES = [
    ("Acme Inc.", "bot@example.com"),
    ("'Bot' ", "bot@example.com"),
    ("Bot", "bot@example.com."),
    ("Bot, of Acme", "bot@example.com"),
]


@pytest.mark.parametrize(("name", "email"), NAMES)
def test_ours_is_known_again_however_git_wrote_our_name(tmp_path, remote, name, email):
    """Signed by git, a name loses what git calls crud; unsigned it keeps it. A key may come later."""
    new_key(tmp_path / "key")
    us = Identity(name, email)
    for number, signing in enumerate((None, SshSigning(tmp_path / "key"), None)):
        clone = tmp_path / str(number)
        with fetched(clone, remote, scope=APPS, committer=us, signing=signing) as repository:
            branches = repository.push_branches("ours/{name}")
            branches.look()
            commit = propose(repository, branches, {"apps/a.yaml": MANAGED + b"%d\n" % number})
            assert branches.push(BRANCH) == Published(commit)
            assert branches.parent(commit) == repository.tip


def test_a_merge_commit_is_theirs_whoever_made_it(tmp_path, remote):
    """As a forge's "update branch" makes one."""
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        branches = proposed(repository)
        tree = git(remote, "rev-parse", f"{BRANCH}^{{tree}}").strip()
        words = ("-p", BRANCH, "-p", "main", "-m", f"x\n\n{PROPOSED_TO}: main")
        merged = git(remote, "commit-tree", tree, *words).strip()
        git(remote, "update-ref", f"refs/heads/{BRANCH}", merged)
        branches.look()
        assert branches.parent(merged) is None


def test_branches_of_others_beside_ours_are_looked_at_and_left(tmp_path, remote):
    git(remote, "branch", "ours/other", "main")
    git(remote, "branch", "elsewhere", "main")
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        branches = proposed(repository)
        branches.look()
        assert set(branches.seen()) == {BRANCH, "ours/other"}
        assert branches.name_of("ours/other") == "other"


def test_a_branch_in_the_way_is_a_refusal_that_says_what_to_do(tmp_path, remote):
    """Its lock would fail at each try, and a race would be tried again for ever."""
    git(remote, "branch", "ours", "main")
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        branches = repository.push_branches("ours/{name}")
        branches.look()
        propose(repository, branches, {"apps/a.yaml": MANAGED + b"new\n"})
        answer = branches.push(BRANCH)
        assert isinstance(answer, Failed) and answer.kind is Kind.REFUSED
        assert "another --push-branch" in answer.words
        git(remote, "branch", "-D", "ours")
        assert isinstance(branches.push(BRANCH), Published)


def test_the_branch_itself_is_never_forced(tmp_path, remote):
    with fetched(tmp_path / "clone", remote, scope=APPS) as repository:
        branches = repository.push_branches("m{name}")
        place = branches.place("main")
        repository.commit(repository.tip, NEW, MESSAGE, NOON, reference=place)
        with pytest.raises(ValueError, match="never forced"):
            repository.remote.replace("main", branches.waiting()["main"], seen="")
