"""GitHub, and GitHub Enterprise Server: REST v3, and GraphQL for auto-merge.

docs.github.com/en/rest/pulls/pulls and /en/graphql/reference/mutations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gitops_prefix.publish.forge import PAGE_SIZE, MergeMethod, Merging, PullRequest, State
from gitops_prefix.publish.http import Answer, Request, Response

_ENABLE = """
mutation($id: ID!, $head: GitObjectID!, $method: PullRequestMergeMethod!) {
  enablePullRequestAutoMerge(
    input: {pullRequestId: $id, expectedHeadOid: $head, mergeMethod: $method}
  ) { clientMutationId }
}
"""
_NOTHING_TO_WAIT_FOR = "is in clean status"
"""GitHub refuses auto-merge with these words if no check is pending."""


@dataclass(frozen=True, slots=True)
class GitHub:
    """One repository.

    Attributes:
        api: as in https://api.github.com, without a slash at its end.
        project: owner/name.
        base: the branch that requests are for.
    """

    api: str
    project: str
    base: str

    def find(self, token: str, branch: str, state: State, page: int) -> Request:
        owner = self.project.partition("/")[0]
        query = {
            "head": f"{owner}:{branch}",
            "base": self.base,
            "state": "open" if state is State.OPEN else "closed",
            "sort": "created",
            "direction": "desc",
            "per_page": PAGE_SIZE,
            "page": page,
        }
        return self._request("GET", f"pulls?{urlencode(query)}", token)

    def read_found(self, content: Any, branch: str) -> Sequence[PullRequest]:
        return [
            self.read(request)
            for request in content
            if _is_from(request["head"], branch, self.project)
        ]

    def open(self, token: str, branch: str, title: str, body: str) -> Request:
        words = {"head": branch, "base": self.base, "title": title, "body": body}
        return self._request("POST", "pulls", token, words)

    def update(self, token: str, number: int, title: str, body: str) -> Request:
        return self._request("PATCH", f"pulls/{number}", token, {"title": title, "body": body})

    def close(self, token: str, number: int, body: str) -> Request:
        return self._request("PATCH", f"pulls/{number}", token, {"state": "closed", "body": body})

    def read(self, content: Any) -> PullRequest:
        state = State(content["state"])
        if state is State.CLOSED and content.get("merged_at"):
            state = State.MERGED
        return PullRequest(
            content["number"],
            state,
            content["title"],
            content["body"] or "",
            content["head"]["sha"],
            content["html_url"],
            waits=content.get("auto_merge") is not None,
            key=content["node_id"],
        )

    def auto_merge(
        self, token: str, request: PullRequest, head: str, method: MergeMethod
    ) -> Request:
        variables = {"id": request.key, "head": head, "method": method.value.upper()}
        content = {"query": _ENABLE, "variables": variables}
        # GitHub Enterprise Server has REST at /api/v3, and GraphQL at /api/graphql.
        url = f"{self.api.removesuffix('/v3')}/graphql"
        return Request("POST", url, _headers(token), content)

    def read_auto_merge(self, answer: Answer) -> Merging:
        if not isinstance(answer, Response):
            return Merging.FAILED
        # GraphQL answers 200, whatever comes of it.
        errors = (answer.json() or {}).get("errors") or []
        if any(_NOTHING_TO_WAIT_FOR in str(request.get("message")) for request in errors):
            return Merging.READY
        return Merging.FAILED if errors else Merging.ASKED

    def merge(self, token: str, request: PullRequest, head: str, method: MergeMethod) -> Request:
        content = {"sha": head, "merge_method": method.value}
        return self._request("PUT", f"pulls/{request.number}/merge", token, content)

    def _request(self, method: str, path: str, token: str, content: Any = None) -> Request:
        url = f"{self.api}/repos/{self.project}/{path}"
        return Request(method, url, _headers(token), content)


def _headers(token: str) -> Mapping[str, str]:
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }


def _is_from(head: Any, branch: str, project: str) -> bool:
    """Whether a head is our branch; a fork's has another repository, a deleted fork's none."""
    repository = str((head.get("repo") or {}).get("full_name", ""))
    return bool(head["ref"] == branch) and repository.lower() == project.lower()
