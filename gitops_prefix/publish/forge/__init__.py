"""Pull requests for our branches: what a forge must support, and one file for each forge.

A forge's file builds requests and reads answers, without I/O. Only `sync.py` sends them,
through the client that it is given. The contract of the family: a function that builds
returns a whole `Request`, with the token in its header. A function that reads takes the JSON
of the forge's answer, and raises KeyError or TypeError if the answer has another shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from gitops_prefix.publish.http import Answer, Request

PAGE_SIZE = 50


class State(StrEnum):
    """The state of a request."""

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
        number: as people see it.
        head: the commit that it would merge.
        url: for a browser.
        waits: whether auto-merge is on.
        key: its id in the forge's other API, if there is one.
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
    """The result of asking for auto-merge."""

    ASKED = "asked"
    READY = "ready"
    """No check is pending: it may be merged at once."""
    FAILED = "failed"


class Forge(Protocol):
    """One project at one forge."""

    def find(self, token: str, branch: str, state: State, page: int) -> Request:
        """Ask for the requests of a branch of ours, newest first; pages begin at 1."""
        ...

    def read_found(self, content: Any, branch: str) -> Sequence[PullRequest]:
        """Return the requests of this branch, without those of forks."""
        ...

    def open(self, token: str, branch: str, title: str, body: str) -> Request:
        """Open a request."""
        ...

    def update(self, token: str, number: int, title: str, body: str) -> Request:
        """Change the words of an open request."""
        ...

    def close(self, token: str, number: int, body: str) -> Request:
        """Close a request that is not needed any more."""
        ...

    def read(self, content: Any) -> PullRequest:
        """Return the request that was opened, updated or closed."""
        ...

    def auto_merge(
        self, token: str, request: PullRequest, head: str, method: MergeMethod
    ) -> Request:
        """Ask for auto-merge, if the head is still this commit."""
        ...

    def read_auto_merge(self, answer: Answer) -> Merging:
        """Return the result of asking for auto-merge."""
        ...

    def merge(self, token: str, request: PullRequest, head: str, method: MergeMethod) -> Request:
        """Merge now, if the head is still this commit."""
        ...
