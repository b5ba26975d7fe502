"""What a forge must be able to do, as requests to build and answers to read. PURE.

The contract of the family: every function that builds gives a whole `Request`, with the
token in its header; every function that reads takes the JSON of an answer that the forge
gave to such a request, and raises KeyError or TypeError when it is not of that shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from gitops_prefix.publish.http import Answer, Request

PAGE_SIZE = 50


class State(StrEnum):
    """What became of a request."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class MergeMethod(StrEnum):
    """How a request is merged."""

    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request, or merge request.

    Attributes:
        number: as people call it.
        head: the commit that it would merge.
        url: for a browser.
        waits: whether it merges by itself, once its checks are done.
        key: what the forge's other API calls it, where there is one.
    """

    number: int
    state: State
    title: str = ""
    body: str = ""
    head: str = ""
    url: str = ""
    waits: bool = False
    key: str = ""


class Merging(StrEnum):
    """What became of the wish that a request merges by itself."""

    ASKED = "asked"
    READY = "ready"
    """There is nothing to wait for: it may be merged at once."""
    FAILED = "failed"


class Forge(Protocol):
    """One project at one forge."""

    def find(self, token: str, branch: str, state: State, page: int) -> Request:
        """Ask for requests from a branch of ours, newest first; pages begin at 1."""
        ...

    def read_found(self, content: Any, branch: str) -> Sequence[PullRequest]:
        """Those of an answer that are from this branch, and from no fork's."""
        ...

    def open(self, token: str, branch: str, title: str, body: str) -> Request:
        """Open one."""
        ...

    def update(self, token: str, number: int, title: str, body: str) -> Request:
        """Give an open one other words."""
        ...

    def close(self, token: str, number: int, body: str) -> Request:
        """Close one that nobody needs any more."""
        ...

    def read(self, content: Any) -> PullRequest:
        """The request that was opened, updated or closed."""
        ...

    def auto_merge(
        self, token: str, request: PullRequest, head: str, method: MergeMethod
    ) -> Request:
        """Let it merge by itself, if its head is still this commit."""
        ...

    def read_auto_merge(self, answer: Answer) -> Merging:
        """What became of that."""
        ...

    def merge(self, token: str, request: PullRequest, head: str, method: MergeMethod) -> Request:
        """Merge it now, if its head is still this commit."""
        ...
