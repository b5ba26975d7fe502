"""Gitea and Forgejo: pull requests by REST v1.

docs.gitea.com/api, and /api/swagger of every instance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gitops_prefix.publish.forge import PAGE_SIZE, MergeMethod, Merging, PullRequest, State
from gitops_prefix.publish.http import Answer, Refused, Request, Response


@dataclass(frozen=True, slots=True)
class Gitea:
    """One repository.

    Attributes:
        api: as in https://codeberg.org/api/v1, without a slash at its end.
        project: owner/name.
        base: the branch that requests are for.
    """

    api: str
    project: str
    base: str

    def find(self, token: str, branch: str, state: State, page: int) -> Request:
        del branch  # the API has no such filter: `read_found` selects
        query = {
            "state": "open" if state is State.OPEN else "closed",
            "sort": "recentupdate",
            "limit": PAGE_SIZE,
            "page": page,
        }
        return self._request("GET", f"?{urlencode(query)}", token)

    def read_found(self, content: Any, branch: str) -> Sequence[PullRequest]:
        found = [
            self.read(request)
            for request in content
            if request["head"]["ref"] == branch
            and request["base"]["ref"] == self.base
            # A fork may have a branch of the same name.
            and request["head"]["repo_id"] == request["base"]["repo_id"]
        ]
        return sorted(found, key=lambda request: -request.number)

    def open(self, token: str, branch: str, title: str, body: str) -> Request:
        words = {"head": branch, "base": self.base, "title": title, "body": body}
        return self._request("POST", "", token, words)

    def update(self, token: str, number: int, title: str, body: str) -> Request:
        return self._request("PATCH", f"/{number}", token, {"title": title, "body": body})

    def close(self, token: str, number: int, body: str) -> Request:
        return self._request("PATCH", f"/{number}", token, {"state": "closed", "body": body})

    def read(self, content: Any) -> PullRequest:
        merged = State.MERGED if content.get("merged") else State(content["state"])
        return PullRequest(
            content["number"],
            merged,
            content["title"],
            content["body"] or "",
            content["head"]["sha"],
            content["html_url"],
        )

    def auto_merge(
        self, token: str, request: PullRequest, head: str, method: MergeMethod
    ) -> Request:
        return self._merge(token, request, head, method, {"merge_when_checks_succeed": True})

    def read_auto_merge(self, answer: Answer) -> Merging:
        # Asked before: a pull request of Gitea does not say that auto-merge is on.
        again = isinstance(answer, Refused) and "already scheduled" in answer.words
        return Merging.ASKED if again or isinstance(answer, Response) else Merging.FAILED

    def merge(self, token: str, request: PullRequest, head: str, method: MergeMethod) -> Request:
        return self._merge(token, request, head, method, {})

    def _merge(
        self, token: str, request: PullRequest, head: str, method: MergeMethod, more: Any
    ) -> Request:
        words = {"Do": method.value, "head_commit_id": head, **more}
        return self._request("POST", f"/{request.number}/merge", token, words)

    def _request(self, method: str, path: str, token: str, content: Any = None) -> Request:
        url = f"{self.api}/repos/{self.project}/pulls{path}"
        return Request(method, url, {"Authorization": f"token {token}"}, content)
