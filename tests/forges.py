"""Stand-ins for forges on loopback: their API's shape, with state, over a real repository.

They refuse what the true ones refuse: no token, another one, a second request for the
same branches, a branch that is not there, an unknown field of a search. `trouble` is
what the next answers are instead.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tests.gitrepo import git
from tests.web_stand_in import Asked, Says, StandIn, stand_in

TOKEN = "forge-t0ken-of-nobody"
PROJECT = "home/ops"


def says(status: int, content: Any, **headers: str) -> Says:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Says(status, json.dumps(content).encode(), named)


@dataclass
class Request:
    """A pull request as a forge remembers it."""

    number: int
    head: str
    base: str
    title: str
    body: str
    state: str = "open"
    auto: str = ""
    fork: bool = False
    sha: str = ""


@dataclass
class StandInForge:
    """What all have in common.

    Attributes:
        checks: whether a request has checks to wait for.
        trouble: answers to be given first, before any that the state would give.
        merged: how each was merged, by number.
        lags: whether it has not taken note of the last push yet.
    """

    remote: Path
    checks: bool = True
    allows_auto_merge: bool = True
    trouble: list[Says] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    merged: dict[int, str] = field(default_factory=dict)
    token: str = TOKEN
    project: str = PROJECT
    lags: bool = False

    def answer(self, asked: Asked) -> Says:
        if self.trouble:
            return self.trouble.pop(0)
        if asked.headers.get(self.HEADER.lower()) != self.PREFIX + self.token:
            return says(401, {"message": "Bad credentials"})
        parts = urlsplit(asked.path)
        query = {name: texts[-1] for name, texts in parse_qs(parts.query).items()}
        content = json.loads(asked.body) if asked.body else {}
        if asked.method != "GET" and asked.headers.get("content-type") != "application/json":
            return says(415, {"message": "Unsupported Media Type"})
        return self.route(asked.method, parts.path, query, content)

    def head_of(self, branch: str) -> str:
        words = git(self.remote, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        return words.strip()

    def sha(self, one: Request) -> str:
        """The head as it is; what was closed or merged keeps its last."""
        if one.state == "open" and not one.fork and not (self.lags and one.sha):
            one.sha = self.head_of(one.head) or one.sha
        return one.sha or "0" * 40

    def opened(self) -> list[Request]:
        return [one for one in self.requests if one.state == "open"]

    def find(self, number: str) -> Request | None:
        return next((one for one in self.requests if str(one.number) == number), None)

    def add(self, head: str, base: str, title: str, body: str) -> Request:
        one = Request(len(self.requests) + 1, head, base, title, body)
        self.requests.append(one)
        return one

    def duplicate(self, head: str, base: str) -> Request | None:
        return next((o for o in self.opened() if (o.head, o.base) == (head, base)), None)

    def merge(self, one: Request, how: str) -> None:
        """Really, in the repository: as a fast-forward."""
        git(self.remote, "update-ref", f"refs/heads/{one.base}", self.sha(one))
        one.state = "merged"
        self.merged[one.number] = how

    def person_closes(self, *, delete_branch: bool = False) -> None:
        [one] = self.opened()
        self.sha(one)
        one.state = "closed"
        if delete_branch:
            git(self.remote, "update-ref", "-d", f"refs/heads/{one.head}")

    def finish_checks(self) -> None:
        """What waits is merged."""
        for one in self.opened():
            if one.auto:
                self.merge(one, one.auto)


class GitHubStandIn(StandInForge):
    HEADER, PREFIX, KIND, API = "Authorization", "Bearer ", "github", ""

    def route(self, method: str, path: str, query: dict[str, str], content: Any) -> Says:
        if path == "/graphql":
            return self.graphql(content)
        if not path.startswith(f"/repos/{self.project}/pulls"):
            return says(404, {"message": "Not Found"})
        words = path.removeprefix(f"/repos/{self.project}/pulls").strip("/").split("/")
        if words == [""]:
            return self.search(query) if method == "GET" else self.create(content)
        one = self.find(words[0])
        if one is not None and words[1:] == ["merge"] and method == "PUT":
            return self.merge_now(one, content)
        if one is None or method != "PATCH":
            return says(404, {"message": "Not Found"})
        return self.edit(one, content)

    def edit(self, one: Request, content: Any) -> Says:
        one.title = content.get("title", one.title)
        one.body = content.get("body", one.body)
        if content.get("state") == "closed":
            self.sha(one)
            one.state = "closed"
        return says(200, self.show(one))

    def search(self, query: dict[str, str]) -> Says:
        owner, _, head = query.get("head", "").partition(":")
        wanted = [
            one
            for one in reversed(self.requests)
            if query.get("state", "open") in {"all", "open" if one.state == "open" else "closed"}
            # A head that is not USER:BRANCH is passed over, as GitHub does.
            and (not head or (one.head == head and (one.fork or owner == "home")))
            and query.get("base", one.base) == one.base
        ]
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        return says(200, [self.show(one) for one in wanted[size * (page - 1) : size * page]])

    def create(self, content: Any) -> Says:
        head, base = content["head"], content["base"]
        if not self.head_of(head):
            errors = [{"resource": "PullRequest", "field": "head", "code": "invalid"}]
            return says(422, {"message": "Validation Failed", "errors": errors})
        if self.head_of(head) == self.head_of(base):
            error = {"message": f"No commits between {base} and {head}"}
            return says(422, {"message": "Validation Failed", "errors": [error]})
        if self.duplicate(head, base):
            error = {"message": f"A pull request already exists for home:{head}."}
            return says(422, {"message": "Validation Failed", "errors": [error]})
        return says(201, self.show(self.add(head, base, content["title"], content["body"])))

    def merge_now(self, one: Request, content: Any) -> Says:
        if content["sha"] != self.sha(one):
            return says(
                409, {"message": "Head branch was modified. Review and try the merge again."}
            )
        if self.checks or one.state != "open":
            return says(405, {"message": "Required status check is expected."})
        self.merge(one, content["merge_method"])
        return says(200, {"merged": True, "sha": self.sha(one)})

    def graphql(self, content: Any) -> Says:
        variables = content["variables"]
        assert "enablePullRequestAutoMerge" in content["query"]
        one = self.find(variables["id"].removeprefix("PR_"))

        def no(message: str) -> Says:
            error = {"type": "UNPROCESSABLE", "message": message}
            return says(200, {"data": {"enablePullRequestAutoMerge": None}, "errors": [error]})

        if one is None:
            return no("Could not resolve to a node with the global id")
        if variables["head"] != self.sha(one):
            return no("Head sha didn't match expectedHeadOid")
        if not self.allows_auto_merge:
            return no("Pull request Auto merge is not allowed for this repository")
        if not self.checks:
            return no("Pull request Pull request is in clean status")
        one.auto = variables["method"].lower()
        return says(200, {"data": {"enablePullRequestAutoMerge": {"clientMutationId": None}}})

    def show(self, one: Request) -> Any:
        repository = {"full_name": "stranger/ops" if one.fork else self.project}
        return {
            "number": one.number,
            "node_id": f"PR_{one.number}",
            "state": "open" if one.state == "open" else "closed",
            "merged_at": "2026-11-25T12:00:00Z" if one.state == "merged" else None,
            "title": one.title,
            "body": one.body,
            "html_url": f"https://github.example/{self.project}/pull/{one.number}",
            "head": {"ref": one.head, "sha": self.sha(one), "repo": repository},
            "base": {"ref": one.base},
            "auto_merge": {"merge_method": one.auto} if one.auto else None,
        }


class GitLabStandIn(StandInForge):
    HEADER, PREFIX, KIND, API = "Private-Token", "", "gitlab", "/api/v4"

    def route(self, method: str, path: str, query: dict[str, str], content: Any) -> Says:
        root = f"/api/v4/projects/{quote(self.project, safe='')}/merge_requests"
        if not path.startswith(root):
            return says(404, {"message": "404 Project Not Found"})
        words = path.removeprefix(root).strip("/").split("/")
        if words == [""]:
            return self.search(query) if method == "GET" else self.create(content)
        one = self.find(words[0])
        if one is None or method != "PUT":
            return says(404, {"message": "404 Not found"})
        if words[1:] == ["merge"]:
            return self.merge_now(one, content)
        one.title = content.get("title", one.title)
        one.body = content.get("description", one.body)
        if content.get("state_event") == "close":
            self.sha(one)
            one.state = "closed"
        return says(200, self.show(one))

    def search(self, query: dict[str, str]) -> Says:
        states = {"opened": {"open"}, "all": {"open", "closed", "merged"}}[query["state"]]
        wanted = [
            one
            for one in reversed(self.requests)
            if one.state in states
            and one.head == query["source_branch"]
            and one.base == query["target_branch"]
        ]
        size, page = int(query.get("per_page", 20)), int(query.get("page", 1))
        return says(200, [self.show(one) for one in wanted[size * (page - 1) : size * page]])

    def create(self, content: Any) -> Says:
        head, base = content["source_branch"], content["target_branch"]
        if not self.head_of(head):
            return says(422, {"message": ['Source branch "' + head + '" does not exist']})
        other = self.duplicate(head, base)
        if other:
            words = (
                f"Another open merge request already exists for this source branch: !{other.number}"
            )
            return says(409, {"message": [words]})
        return says(201, self.show(self.add(head, base, content["title"], content["description"])))

    def merge_now(self, one: Request, content: Any) -> Says:
        if content["sha"] != self.sha(one):
            return says(409, {"message": "SHA does not match HEAD of source branch"})
        if one.state != "open" or not self.allows_auto_merge:
            return says(405, {"message": "405 Method Not Allowed"})
        how = "squash" if content.get("squash") else "merge"
        if content.get("auto_merge") and content.get("merge_when_pipeline_succeeds"):
            if not self.checks:
                return says(422, {"message": "Branch cannot be merged"})
            one.auto = how
        elif self.checks:
            return says(405, {"message": "405 Method Not Allowed"})
        else:
            self.merge(one, how)
        return says(200, self.show(one))

    def show(self, one: Request) -> Any:
        return {
            "iid": one.number,
            "state": {"open": "opened"}.get(one.state, one.state),
            "title": one.title,
            "description": one.body,
            "sha": self.sha(one),
            "source_branch": one.head,
            "target_branch": one.base,
            "source_project_id": 8 if one.fork else 7,
            "target_project_id": 7,
            "web_url": f"https://gitlab.example/{self.project}/-/merge_requests/{one.number}",
            "merge_when_pipeline_succeeds": bool(one.auto),
        }


class GiteaStandIn(StandInForge):
    HEADER, PREFIX, KIND, API = "Authorization", "token ", "gitea", "/api/v1"

    def route(self, method: str, path: str, query: dict[str, str], content: Any) -> Says:
        root = f"/api/v1/repos/{self.project}/pulls"
        if not path.startswith(root):
            return says(404, {"message": "The target couldn't be found.", "errors": []})
        words = path.removeprefix(root).strip("/").split("/")
        if words == [""]:
            return self.search(query) if method == "GET" else self.create(content)
        one = self.find(words[0])
        if one is None:
            return says(404, {"message": "The target couldn't be found."})
        if words[1:] == ["merge"] and method == "POST":
            return self.merge_now(one, content)
        if method != "PATCH":
            return says(405, {"message": "Method Not Allowed"})
        one.title = content.get("title", one.title)
        one.body = content.get("body", one.body)
        if content.get("state") == "closed":
            self.sha(one)
            one.state = "closed"
        return says(201, self.show(one))

    def search(self, query: dict[str, str]) -> Says:
        """There is no search by branch; a page holds 50 at most."""
        wanted = [
            one
            for one in reversed(self.requests)
            if query["state"] == ("open" if one.state == "open" else "closed")
        ]
        size, page = min(50, int(query.get("limit", 30))), int(query.get("page", 1))
        return says(200, [self.show(one) for one in wanted[size * (page - 1) : size * page]])

    def create(self, content: Any) -> Says:
        head, base = content["head"], content["base"]
        if not self.head_of(head):
            return says(404, {"message": "The target couldn't be found."})
        if self.duplicate(head, base):
            return says(409, {"message": "pull request already exists for these targets"})
        return says(201, self.show(self.add(head, base, content["title"], content["body"])))

    def merge_now(self, one: Request, content: Any) -> Says:
        if content["head_commit_id"] != self.sha(one):
            return says(409, {"message": "head out of date"})
        if one.state != "open" or not self.allows_auto_merge:
            return says(405, {"message": "Please try again later"})
        if self.checks and content.get("merge_when_checks_succeed"):
            if one.auto:
                words = "pull request is already scheduled to auto merge when checks succeed"
                return says(409, {"message": f"{words} [pull_id: {one.number}]"})
            one.auto = content["Do"]
            return Says(201, b"")
        if self.checks:
            return says(405, {"message": "not all required status checks successful"})
        self.merge(one, content["Do"])
        return Says(200, b"")

    def show(self, one: Request) -> Any:
        return {
            "number": one.number,
            "state": "open" if one.state == "open" else "closed",
            "merged": one.state == "merged",
            "title": one.title,
            "body": one.body,
            "html_url": f"https://gitea.example/{self.project}/pulls/{one.number}",
            "head": {"ref": one.head, "sha": self.sha(one), "repo_id": 8 if one.fork else 7},
            "base": {"ref": one.base, "repo_id": 7},
        }


STAND_INS = (GitHubStandIn, GitLabStandIn, GiteaStandIn)


@contextmanager
def serving(forge: StandInForge) -> Iterator[StandIn]:
    """The stand-in on a port; the base of its API is `url` + `forge.API`."""
    with stand_in(forge.answer) as server:
        yield server
