"""GitLab: merge requests by REST v4.

docs.gitlab.com/api/merge_requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from gitops_prefix.publish.forge import PAGE_SIZE, MergeMethod, Merging, PullRequest, State
from gitops_prefix.publish.http import Answer, Refused, Request, Response

_STATES = {
    "opened": State.OPEN,
    # While it is being merged.
    "locked": State.OPEN,
    "merged": State.MERGED,
    "closed": State.CLOSED,
}


@dataclass(frozen=True, slots=True)
class GitLab:
    """One project.

    Attributes:
        api: as in https://gitlab.com/api/v4, without a slash at its end.
        project: its full path, groups and all.
        base: the branch that requests are for.
    """

    api: str
    project: str
    base: str

    def find(self, token: str, branch: str, state: State, page: int) -> Request:
        query = {
            "source_branch": branch,
            "target_branch": self.base,
            "state": "opened" if state is State.OPEN else "all",
            "scope": "all",
            "order_by": "created_at",
            "sort": "desc",
            "per_page": PAGE_SIZE,
            "page": page,
        }
        return self._request("GET", f"?{urlencode(query)}", token)

    def read_found(self, content: Any, branch: str) -> Sequence[PullRequest]:
        return [
            self.read(request)
            for request in content
            if request["source_branch"] == branch
            # A fork's branch of the same name is another project's.
            and request["source_project_id"] == request["target_project_id"]
        ]

    def open(self, token: str, branch: str, title: str, body: str) -> Request:
        words = {
            "source_branch": branch,
            "target_branch": self.base,
            "title": title,
            "description": body,
            "remove_source_branch": True,
        }
        return self._request("POST", "", token, words)

    def update(self, token: str, number: int, title: str, body: str) -> Request:
        return self._request("PUT", f"/{number}", token, {"title": title, "description": body})

    def close(self, token: str, number: int, body: str) -> Request:
        words = {"state_event": "close", "description": body}
        return self._request("PUT", f"/{number}", token, words)

    def read(self, content: Any) -> PullRequest:
        return PullRequest(
            content["iid"],
            _STATES[content["state"]],
            content["title"],
            content["description"] or "",
            content["sha"] or "",
            content["web_url"],
            waits=bool(content.get("merge_when_pipeline_succeeds")),
        )

    def auto_merge(
        self, token: str, request: PullRequest, head: str, method: MergeMethod
    ) -> Request:
        # The second name is the one that GitLab before 17.11 knows.
        asked = {"auto_merge": True, "merge_when_pipeline_succeeds": True}
        return self._merge(token, request, head, method, asked)

    def read_auto_merge(self, answer: Answer) -> Merging:
        if isinstance(answer, Refused) and answer.status == 422:
            # It can be merged, and no pipeline is there to wait for.
            return Merging.READY
        return Merging.ASKED if isinstance(answer, Response) else Merging.FAILED

    def merge(self, token: str, request: PullRequest, head: str, method: MergeMethod) -> Request:
        return self._merge(token, request, head, method, {})

    def _merge(
        self, token: str, request: PullRequest, head: str, method: MergeMethod, more: Any
    ) -> Request:
        # Merge or rebase is the project's to say.
        squash = {"squash": True} if method is MergeMethod.SQUASH else {}
        words = {"sha": head, "should_remove_source_branch": True, **squash, **more}
        return self._request("PUT", f"/{request.number}/merge", token, words)

    def _request(self, method: str, path: str, token: str, content: Any = None) -> Request:
        url = f"{self.api}/projects/{quote(self.project, safe='')}/merge_requests{path}"
        return Request(method, url, {"Private-Token": token}, content)
