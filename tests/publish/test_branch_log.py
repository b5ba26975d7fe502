"""The last changes of the branch, from the branch's own log; and where the forge shows them."""

from pathlib import Path

import pytest

from gitops_prefix.daemon.outcome import Committed, Decided, Pushed, Stopped, UpToDate
from gitops_prefix.daemon.report import Timeline
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.plan.occasion import Occasion, StatusChange
from gitops_prefix.publish.branch_log import BranchLog, PrefixMove
from gitops_prefix.publish.credentials import Token
from gitops_prefix.publish.failure import Failed, FailedError, Reason
from gitops_prefix.publish.forge.known import commit_page
from gitops_prefix.publish.message import Wording
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.stages import Stage
from tests.branch import NOON, bare_repository, fetched
from tests.git_servers import TOKEN, USER, http_remote
from tests.gitrepo import git

CREDENTIALS = Token(lambda: TOKEN, USER)
A, B, C = (Prefix.parse(f"2001:db8:{name}::/64") for name in "abc")


def moves(*prefixes: Prefix, name: str = "home") -> Occasion:
    """The occasion of a commit that writes the last of these prefixes, after the one before."""
    before, after = (
        Status(each, PrefixSource.STATIC, NOON) for each in (prefixes[0], prefixes[-1])
    )
    change = StatusChange(name, before if len(prefixes) > 1 else None, after)
    return Occasion(transitions=(change,))


def somebody_pushes(tree: Path, *messages: str) -> None:
    """A commit for each message."""
    for message in messages:
        git(tree, "commit", "-q", "--allow-empty", "-m", message)
    git(tree, "push", "-q", "origin", "HEAD:main")


def words_for(*prefixes: Prefix) -> str:
    return Wording().write(moves(*prefixes)).text


def log_of(repository: Repository) -> BranchLog:
    return BranchLog(
        repository.remote, repository.clone.directory, repository.url, repository.branch
    )


@pytest.fixture
def tree(tmp_path) -> Path:
    """A branch with two changes of ours, and one of a person between them."""
    bare_repository(tmp_path, {"a.yaml": b"a: 1\n"})
    tree = tmp_path / "tree"
    person = "A person wrote\n\nDynamic-Prefix is a word of mine, too\n"
    somebody_pushes(tree, words_for(A), person, words_for(A, B))
    return tree


CHANGES = [
    (f"prefix(home): {A} -> {B}", (PrefixMove("home", str(A), str(B)),)),
    (f"prefix(home): {A}", (PrefixMove("home", "", str(A)),)),
]


def test_the_log_has_our_changes_and_no_others(tmp_path, tree):
    with fetched(tmp_path / "clone", tmp_path / "remote.git") as repository:
        found = log_of(repository).read(repository.tip)
        assert [(each.subject, each.moves) for each in found] == CHANGES
        assert found[0].commit == repository.tip
        assert not (tmp_path / "clone" / "log").exists(), "a path here is read where it is"


def test_a_commit_of_a_year_that_no_calendar_has_is_left_out(tmp_path, tree):
    who = "a person <a@example.com> 999999999999999 +0000"
    top = git(tree, "rev-parse", "HEAD^{tree}").strip()
    parent = git(tree, "rev-parse", "HEAD").strip()
    commit = f"tree {top}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n{words_for(B, C)}"
    (tmp_path / "commit").write_text(commit)
    name = git(tree, "hash-object", "-t", "commit", "-w", str(tmp_path / "commit")).strip()
    git(tree, "push", "-q", "origin", f"{name}:main")
    with fetched(tmp_path / "clone", tmp_path / "remote.git") as repository:
        found = log_of(repository).read(repository.tip)
        assert [(each.subject, each.moves) for each in found] == CHANGES


@pytest.mark.slow
@pytest.mark.parametrize("filters", [True, False], ids=["leaves trees out", "cannot"])
def test_the_log_of_a_server_is_fetched_beside_the_clone(tmp_path, filters):
    """Without trees and contents where the server can leave them out."""
    with http_remote(tmp_path) as server:
        tree = tmp_path / "tree"
        between = (f"number {number}" for number in range(50))
        somebody_pushes(tree, words_for(A), *between, words_for(A, B))
        git(server.repository, "config", "uploadpack.allowFilter", str(filters).lower())
        with fetched(tmp_path / "clone", server.url, credentials=CREDENTIALS) as repository:
            before = sorted(repository.refs.commits.items())
            log = log_of(repository)
            found = log.read(repository.tip)
            deep = CHANGES if filters else CHANGES[:1]
            assert [(each.subject, each.moves) for each in found] == deep
            somebody_pushes(tree, words_for(B, C))
            repository.fetch()
            assert log.read(repository.tip)[0].moves[0].after == str(C)
            assert repository.refs.commits.keys() == dict(before).keys()


def pushed(before: str, commit: str, occasion: Occasion) -> Pushed:
    return Pushed(Decided(commit, {}, occasion=occasion), commit, before)


class Reads:
    """A log that notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = False

    def read(self, tip: str) -> tuple:
        self.asked.append(tip)
        if self.fails:
            raise FailedError(Failed(Reason.DNS, "gone", Stage.LOOK))
        return ()


def test_a_change_of_our_own_is_known_without_reading():
    """A change costs no git process more, and neither does a quiet look."""
    log = Reads()
    timeline = Timeline(log.read, lambda: NOON)
    timeline.run(UpToDate(Decided("1", {})), 0.0)
    timeline.run(pushed("1", "2", moves(A, B)), 1.0)
    timeline.run(UpToDate(Decided("2", {})), 2.0)
    assert log.asked == ["1"]
    (change,) = timeline.changes
    assert (change.commit, change.moves) == ("2", (PrefixMove("home", str(A), str(B)),))


def test_what_others_pushed_is_read():
    log = Reads()
    timeline = Timeline(log.read, lambda: NOON)
    timeline.run(UpToDate(Decided("1", {})), 0.0)
    timeline.run(UpToDate(Decided("3", {})), 1.0)
    timeline.run(pushed("somebody's", "5", moves(A, B)), 2.0)
    assert log.asked == ["1", "3", "5"]


def test_after_an_outage_the_log_is_read_since_several_commits_may_have_waited():
    log = Reads()
    timeline = Timeline(log.read, lambda: NOON)
    away = Failed(Reason.DNS, "gone", Stage.PUSH)
    timeline.run(UpToDate(Decided("1", {})), 0.0)
    timeline.run(Committed(Decided("1", {}), "2", away), 1.0)
    timeline.run(Stopped(away), 2.0)
    timeline.run(pushed("1", "3", moves(A, B)), 3.0)
    assert log.asked == ["1", "3"]


def test_a_log_that_cannot_be_read_is_read_at_the_next_pass():
    log = Reads()
    timeline = Timeline(log.read, lambda: NOON)
    log.fails = True
    timeline.run(UpToDate(Decided("1", {})), 0.0)
    assert timeline.changes == ()
    log.fails = False
    timeline.run(UpToDate(Decided("1", {})), 1.0)
    timeline.run(UpToDate(Decided("1", {})), 2.0)
    assert log.asked == ["1", "1"]


PAGES = {
    "https://github.com/me/home.git": "https://github.com/me/home/commit/C",
    "ssh://git@github.com/me/home.git": "https://github.com/me/home/commit/C",
    "git@github.com:me/home.git": "https://github.com/me/home/commit/C",
    "https://robot:s3cret@github.com/me/home.git": "https://github.com/me/home/commit/C",
    "ssh://git@github.example.com:2222/me/home": "https://github.example.com/me/home/commit/C",
    "git@gitlab.com:group/sub/home.git": "https://gitlab.com/group/sub/home/-/commit/C",
    "https://gitlab.example.com/a/b/c/home.git": "https://gitlab.example.com/a/b/c/home/-/commit/C",
    "https://codeberg.org/me/home": "https://codeberg.org/me/home/commit/C",
    "https://gitea.example.com/me/home.git": "https://gitea.example.com/me/home/commit/C",
    "ssh://git@forgejo.lan/me/home.git": "https://forgejo.lan/me/home/commit/C",
    "ssh://git@git.example.com:2222/me/home.git": "https://git.example.com/me/home/commit/C",
    "https://git.example.com:8443/me/home.git": "https://git.example.com:8443/me/home/commit/C",
    "git@bitbucket.org:me/home.git": "https://bitbucket.org/me/home/commits/C",
    "https://gitea.example.com/me/my home.git": "https://gitea.example.com/me/my%20home/commit/C",
    "ssh://git@nas.lan/srv/git/home.git": "",
    "ssh://git@192.0.2.7/me/home.git": "",
    "ssh://git@[2001:db8::7]/me/home.git": "",
    "ssh://git@localhost/me/home.git": "",
    "/srv/git/home.git": "",
    "file:///srv/git/home.git": "",
    "": "",
}


@pytest.mark.parametrize(("url", "page"), PAGES.items())
def test_a_commit_has_its_page_at_the_usual_forges(url, page):
    assert commit_page(url, "C") == page


@pytest.mark.slow
def test_the_log_of_an_earlier_process_is_made_anew(tmp_path):
    """Whatever it left there."""
    with http_remote(tmp_path) as server:
        somebody_pushes(tmp_path / "tree", words_for(A))
        with fetched(tmp_path / "clone", server.url, credentials=CREDENTIALS) as repository:
            left = tmp_path / "clone" / "log" / "repository.git"
            left.mkdir(parents=True)
            (left / "config").write_text("broken [")
            assert len(log_of(repository).read(repository.tip)) == 1
