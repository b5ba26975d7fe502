"""What a pull request of ours says, and what is to be done about the one that is there. PURE.

The last line of a body is a comment that no reader sees: what was decided, and a digest
of the words. By the first, a request that a person closed is known again; by the
second, whether we have other words now. Words that a person changed stay until then.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from gitops_prefix.publish.forge.forge import PullRequest, State
from gitops_prefix.publish.proposal import Proposal

_LONGEST_TITLE = 240
_LONGEST_BODY = 50_000
_MARK = re.compile(r"<!-- gitops-prefix decision=(\S*) words=(\S*) -->")
WITHDRAWN = "withdrawn"


class Step(StrEnum):
    """What is to be done."""

    NOTHING = "nothing"
    OPEN = "open"
    UPDATE = "update"
    KEEP = "keep"
    """It is there and right."""
    RESPECT = "respect"
    """A person closed it, and nothing else was decided since."""
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Words:
    """Title and body of a request, with the mark."""

    title: str
    body: str


def words_of(proposal: Proposal) -> Words:
    """What a request for a proposal says.

    The body is a block of code: names in a repository are anybody's, and must neither
    mention people nor close their issues.
    """
    title = proposal.title[:_LONGEST_TITLE]
    text = proposal.body[:_LONGEST_BODY]
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    digest = hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()[:16]
    block = f"{fence}text\n{text}\n{fence}\n\n" if text else ""
    return Words(title, f"{block}{_mark(proposal.decision, digest)}")


def withdrawn(body: str) -> str:
    """The body of a request that we close ourselves: the same may be proposed again."""
    return _MARK.sub(_mark(WITHDRAWN, ""), body)


def step(found: PullRequest | None, proposal: Proposal) -> Step:
    """What is to be done.

    Args:
        found: the open request of the branch, else its newest.
        proposal: what the branch holds, or that nothing is left to propose.
    """
    decision, digest = _read_mark(found.body) if found else ("", "")
    is_open = found is not None and found.state is State.OPEN
    if not proposal.commit:
        # One without our mark was opened by a person, who knows why.
        return Step.CLOSE if is_open and decision else Step.NOTHING
    if found is None:
        return Step.OPEN
    if is_open:
        same = _read_mark(words_of(proposal).body) == (decision, digest)
        return Step.KEEP if same else Step.UPDATE
    if found.head == proposal.commit and found.state is State.MERGED:
        # Merged since we last looked at the branch.
        return Step.NOTHING
    if found.state is State.CLOSED and decision == proposal.decision:
        return Step.RESPECT
    return Step.OPEN


def _mark(decision: str, digest: str) -> str:
    return f"<!-- gitops-prefix decision={decision} words={digest} -->"


def _read_mark(body: str) -> tuple[str, str]:
    found = _MARK.search(body)
    return (found[1], found[2]) if found else ("", "")
