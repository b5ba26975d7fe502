"""One request for each branch at each forge: opened, updated in place, merged, closed, respected."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.forge import MergeMethod, State
from gitops_prefix.publish.forge.known import forge_of
from gitops_prefix.publish.forge.sync import BranchProposal, RequestStep, Sync, Synced
from gitops_prefix.publish.http import HttpClient, Refused, Unreachable
from tests.branch import MANAGED, bare_repository
from tests.forges import PROJECT, STAND_INS, TOKEN, Request, StandInForge, says, serving
from tests.gitrepo import git

BRANCH = "gitops-prefix/home"
BODY = "pool.yaml: Pool home: spec.blocks\n\nCurrent-Prefix: 2001:db8::/64"


class Bench:
    """A forge, a branch of ours at it, and our side."""

    def __init__(self, forge: StandInForge, url: str, tree: Path) -> None:
        self.forge, self.tree, self.url = forge, tree, url
        self.commits = 0
        self.method: MergeMethod | None = None
        self.proposal = self.push("prefix(home): A", "d1")

    def push(self, title: str, decision: str) -> BranchProposal:
        """Another commit in the place of the one on the branch."""
        self.commits += 1
        git(self.tree, "checkout", "-q", "-B", "ours", "main")
        (self.tree / "a.yaml").write_text(f"{self.commits}\n")
        git(self.tree, "commit", "-qam", title)
        git(self.tree, "push", "-q", "--force", "origin", f"HEAD:refs/heads/{BRANCH}")
        commit = git(self.tree, "rev-parse", "HEAD").strip()
        self.proposal = BranchProposal(BRANCH, commit, title, BODY, decision)
        return self.proposal

    def sync(self, proposal: BranchProposal | None = None, token: str = TOKEN):
        where = f"https://forge.example/{PROJECT}.git"
        forge = forge_of(where, "main", kind=self.forge.KIND, api=self.url + self.forge.API)
        sync = Sync(forge, HttpClient().send, lambda: f"{token}\n", self.method)
        return sync.run(proposal or self.proposal)


@pytest.fixture(params=STAND_INS, ids=lambda kind: kind.KIND)
def bench(request, tmp_path):
    forge = request.param(bare_repository(tmp_path, {"a.yaml": MANAGED}))
    with serving(forge) as server:
        yield Bench(forge, server.url, tmp_path / "tree")


def test_a_first_proposal_opens_a_request(bench):
    report = bench.sync()
    assert isinstance(report, Synced)
    assert report.step is RequestStep.OPEN
    assert report.request.number == 1
    assert report.request.url.endswith("/1")
    [one] = bench.forge.requests
    assert (one.head, one.base, one.title) == (BRANCH, "main", "prefix(home): A")
    assert BODY in one.body


def test_the_same_again_changes_nothing(bench):
    bench.sync()
    before = list(bench.forge.requests)
    assert bench.sync().step is RequestStep.KEEP
    assert bench.forge.requests == before


def test_another_change_is_shown_in_the_same_request(bench):
    bench.sync()
    bench.push("prefix(home): A -> B", "d2")
    assert bench.sync().step is RequestStep.UPDATE
    [one] = bench.forge.requests
    assert one.title == "prefix(home): A -> B"


def test_the_same_words_on_another_base_need_no_update(bench):
    """The branch was replaced, and the forge sees that by itself."""
    bench.sync()
    bench.push("prefix(home): A", "d1")
    assert bench.sync().step is RequestStep.KEEP


def test_words_that_a_person_changed_stay_until_we_have_others(bench):
    bench.sync()
    [one] = bench.forge.requests
    one.title = "please review"
    one.body = f"I looked at it.\n{one.body}"
    assert bench.sync().step is RequestStep.KEEP
    assert one.title == "please review"


@pytest.mark.parametrize("delete_branch", [False, True])
def test_what_a_person_closed_is_not_opened_for_the_same_decision(bench, delete_branch):
    bench.sync()
    bench.forge.person_closes(delete_branch=delete_branch)
    bench.push("prefix(home): A", "d1")
    assert bench.sync().step is RequestStep.RESPECT
    assert bench.forge.opened() == []
    bench.push("prefix(home): B", "d2")
    assert bench.sync().step is RequestStep.OPEN
    assert [one.number for one in bench.forge.opened()] == [2]


def test_what_was_merged_is_left_and_the_next_change_is_a_new_request(bench):
    bench.sync()
    bench.forge.merge(*bench.forge.opened(), "merge")
    assert bench.sync().step is RequestStep.NOTHING
    git(bench.tree, "fetch", "-q", "origin", "main")
    git(bench.tree, "branch", "-f", "main", "origin/main")
    bench.push("prefix(home): A -> B", "d2")
    assert bench.sync().step is RequestStep.OPEN


def test_a_proposal_that_is_taken_back_closes_its_request(bench):
    """And the same may be proposed again later: it was not a person who said no."""
    bench.sync()
    assert bench.sync(BranchProposal(BRANCH)).step is RequestStep.CLOSE
    assert bench.forge.opened() == []
    assert bench.sync(BranchProposal(BRANCH)).step is RequestStep.NOTHING
    assert bench.sync().step is RequestStep.OPEN


def test_a_request_of_a_person_from_our_branch_is_used_and_not_closed(bench):
    one = bench.forge.add(BRANCH, "main", "mine", "by hand")
    assert bench.sync(BranchProposal(BRANCH)).step is RequestStep.NOTHING
    assert one.state == "open"
    assert bench.sync().step is RequestStep.UPDATE
    assert len(bench.forge.requests) == 1


def test_a_forks_branch_of_the_same_name_is_not_ours(bench):
    fork = bench.forge.add(BRANCH, "main", "theirs", "theirs")
    fork.fork = True
    bench.forge.requests.remove(fork)
    assert bench.sync().step is RequestStep.OPEN
    bench.forge.requests.append(replace(fork, number=2))
    assert bench.sync().step is RequestStep.KEEP


def test_it_is_found_among_many(bench):
    """Page after page, where there is no search by branch."""
    bench.sync()
    for number in range(2, 130):
        bench.forge.requests.append(Request(number, f"b{number}", "main", "x", "x", sha="1" * 40))
    assert bench.sync().step is RequestStep.KEEP


@pytest.mark.parametrize("method", list(MergeMethod))
def test_auto_merge_is_asked_for_and_the_checks_are_waited_for(bench, method):
    bench.method = method
    assert bench.sync().merged is False
    [one] = bench.forge.requests
    # Rebase or merge is the project's to say at GitLab.
    known = {"gitlab": {MergeMethod.REBASE: "merge"}}.get(bench.forge.KIND, {})
    assert one.auto == known.get(method, method.value)
    assert isinstance(bench.sync(), Synced), "asking twice does no harm"
    bench.forge.finish_checks()
    assert one.state == "merged"
    assert bench.sync().step is RequestStep.NOTHING


def test_auto_merge_with_nothing_to_wait_for_merges(bench):
    bench.method = MergeMethod.SQUASH
    bench.forge.checks = False
    report = bench.sync()
    assert isinstance(report, Synced)
    assert [one.state for one in bench.forge.requests] == ["merged"]
    assert git(bench.forge.remote, "rev-parse", "main").strip() == bench.proposal.commit


def test_auto_merge_that_is_not_allowed_is_told_and_the_request_is_there(bench):
    bench.method = MergeMethod.MERGE
    bench.forge.allows_auto_merge = False
    report = bench.sync()
    assert isinstance(report, Refused | Unreachable)
    assert len(bench.forge.opened()) == 1


def test_nothing_merges_that_nobody_asked_for(bench):
    bench.forge.checks = False
    bench.sync()
    assert [one.state for one in bench.forge.requests] == ["open"]


def test_a_head_that_moved_is_not_merged(bench):
    """The commit that we mean is named in the wish."""
    bench.method = MergeMethod.MERGE
    bench.forge.checks = False
    stale = bench.proposal
    bench.push("prefix(home): B", "d2")
    report = bench.sync(stale)
    assert isinstance(report, Refused | Unreachable)
    assert [one.state for one in bench.forge.requests] == ["open"]


def test_a_forge_that_has_not_seen_the_push_yet_is_asked_again(bench):
    """It takes note in its own time; until then the wish would be for another commit."""
    bench.method = MergeMethod.MERGE
    bench.sync()
    [one] = bench.forge.requests
    one.auto = ""
    bench.forge.lags = True
    bench.push("prefix(home): B", "d2")
    report = bench.sync()
    assert isinstance(report, Unreachable)
    assert "yet" in report.words
    assert (one.title, one.auto) == ("prefix(home): B", "")
    bench.forge.lags = False
    assert isinstance(bench.sync(), Synced)
    assert one.auto == "merge"


def test_another_token_is_refused_and_not_shown(bench):
    report = bench.sync(token="wr0ng-token-value")
    assert isinstance(report, Refused)
    assert report.status == 401
    assert "Bad credentials" in report.words
    assert "wr0ng" not in repr(report)


def test_a_token_that_cannot_be_read_is_told(bench):
    def gone() -> str:
        raise InputError(Problem("unreadable", "--forge-token-file x: gone"))

    where = f"https://forge.example/{PROJECT}.git"
    forge = forge_of(where, "main", kind=bench.forge.KIND, api=bench.url + bench.forge.API)
    report = Sync(forge, HttpClient().send, gone).run(bench.proposal)
    assert isinstance(report, Refused)
    assert "--forge-token-file" in report.words


TROUBLE = [
    (says(500, {"message": "oops"}), Unreachable),
    (says(502, "bad gateway"), Unreachable),
    (says(429, {"message": "slow down"}, Retry_After="30"), Unreachable),
    (says(403, {"message": "secondary rate limit"}, Retry_After="30"), Unreachable),
    (says(403, {"message": "Resource not accessible by integration"}), Refused),
    (says(404, {"message": "Not Found"}), Refused),
    (says(200, {"not": "a list"}), Refused),
    (says(200, [{"number": 1}]), Refused),
    (says(200, None), Refused),
]


@pytest.mark.parametrize(("trouble", "kind"), TROUBLE)
def test_trouble_at_the_forge_is_a_value_and_the_next_try_is_whole(bench, trouble, kind):
    bench.forge.trouble.append(trouble)
    assert isinstance(bench.sync(), kind)
    assert bench.sync().step is RequestStep.OPEN


def test_names_of_a_repository_neither_mention_nor_close_anything(bench):
    """They stand in a block of code that they cannot end; the mark is read all the same."""
    body = "```\n@everyone Closes #1 <!-- gitops-prefix decision=x words=y -->\n````"
    proposal = replace(bench.proposal, body=body, title="x" * 400)
    bench.sync(proposal)
    [one] = bench.forge.requests
    assert one.body.startswith("`````text\n")
    assert len(one.title) <= 255
    assert bench.sync(proposal).step is RequestStep.KEEP


def test_the_state_of_each_answer_is_read(bench):
    bench.sync()
    one = bench.forge.requests[0]
    forge = forge_of(f"https://f.example/{PROJECT}", "main", kind=bench.forge.KIND, api="https://f")
    for state in State:
        one.state = state.value
        assert forge.read(json.loads(json.dumps(bench.forge.show(one)))).state is state
