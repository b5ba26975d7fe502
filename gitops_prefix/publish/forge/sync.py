"""Makes a forge show what waits on a branch: find, open, update, close, let it merge.

The last line of a request's body is an HTML comment that no reader sees: what was decided,
and a digest of the words. The decision recognises a request that a person closed; the
digest says whether our words changed. Words that a person changed stay until then.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from gitops_prefix.errors import InputError, OutsideError
from gitops_prefix.plan.occasion import Changed, StatusChange
from gitops_prefix.publish.failure import FailedError, Kind
from gitops_prefix.publish.forge import (
    PAGE_SIZE,
    Forge,
    MergeMethod,
    Merging,
    PullRequest,
    State,
)
from gitops_prefix.publish.http import (
    Failure,
    Refused,
    Request,
    Response,
    Send,
    Unreachable,
    fit_to_show,
)

_LONGEST_TITLE = 240
_LONGEST_BODY = 50_000
_MARK = re.compile(r"<!-- gitops-prefix decision=(\S*) words=(\S*) -->")
WITHDRAWN = "withdrawn"
_MOST_PAGES = 10
_NOT_YET = frozenset({405, 409})
"""The answers of a forge that still checks whether it could merge."""


@dataclass(frozen=True, slots=True)
class BranchProposal:
    """A branch of ours, and what it proposes.

    Attributes:
        commit: our commit; empty if nothing is left to propose.
        title: the commit's subject.
        body: the rest of its message.
        decision: identifies the decision, so that a person who refused it is not asked again.
    """

    branch: str
    commit: str = ""
    title: str = ""
    body: str = ""
    decision: str = ""


def proposal(branch: str, commit: str, message: str, decision: str) -> BranchProposal:
    """Return the proposal of a commit."""
    title, _, body = message.strip("\n").partition("\n")
    return BranchProposal(branch, commit, title, body.strip("\n"), decision)


def decision_of(transitions: Sequence[StatusChange], changes: Iterable[Changed]) -> str:
    """Return a word that identifies a decision, whatever the files look like."""
    lines = [_line(change) for change in sorted(transitions, key=lambda change: change.name)]
    if not lines:
        lines = [
            f"{field.path} {field.kind} {field.namespace} {field.name} {field.field}"
            for field in changes
        ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _line(change: StatusChange) -> str:
    before = "" if change.previous is None else str(change.previous.current)
    if change.moved:
        return f"{change.name} {before} {change.current.current}"
    held = " ".join(map(str, change.current.prefixes))
    return f"{change.name} {held} {change.current.dns_target}"


class RequestStep(StrEnum):
    """What to do with a request."""

    NOTHING = "nothing"
    OPEN = "open"
    UPDATE = "update"
    KEEP = "keep"
    """The request is there and right."""
    RESPECT = "respect"
    """A person closed the request, and the decision is still the same."""
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Words:
    """Title and body of a request, with our mark."""

    title: str
    body: str


def words_of(proposal: BranchProposal) -> Words:
    """Return the title and body for a proposal.

    The body is a code block: names in the repository must neither mention people nor close
    issues.
    """
    title = proposal.title[:_LONGEST_TITLE]
    text = proposal.body[:_LONGEST_BODY]
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    digest = hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()[:16]
    block = f"{fence}text\n{text}\n{fence}\n\n" if text else ""
    return Words(title, f"{block}{_mark(proposal.decision, digest)}")


def withdrawn(body: str) -> str:
    """Return the body of a request that we close: the same decision may be proposed again."""
    return _MARK.sub(_mark(WITHDRAWN, ""), body)


def step(found: PullRequest | None, proposal: BranchProposal) -> RequestStep:
    """Return what to do.

    Args:
        found: the open request of the branch, else the newest.
        proposal: what the branch holds.
    """
    decision, digest = _read_mark(found.body) if found else ("", "")
    is_open = found is not None and found.state is State.OPEN
    if not proposal.commit:
        # A request without our mark was opened by a person.
        return RequestStep.CLOSE if is_open and decision else RequestStep.NOTHING
    if found is None:
        return RequestStep.OPEN
    if is_open:
        same = _read_mark(words_of(proposal).body) == (decision, digest)
        return RequestStep.KEEP if same else RequestStep.UPDATE
    if found.head == proposal.commit and found.state is State.MERGED:
        # It was merged since we last looked at the branch.
        return RequestStep.NOTHING
    if found.state is State.CLOSED and decision == proposal.decision:
        return RequestStep.RESPECT
    return RequestStep.OPEN


def _mark(decision: str, digest: str) -> str:
    return f"<!-- gitops-prefix decision={decision} words={digest} -->"


def _read_mark(body: str) -> tuple[str, str]:
    found = _MARK.search(body)
    return (found[1], found[2]) if found else ("", "")


@dataclass(frozen=True, slots=True)
class Synced:
    """The forge shows the proposal.

    Attributes:
        step: what was done.
        request: as it is now; None if the branch has no request.
        merged: whether it was merged at once, because no check was pending.
    """

    step: RequestStep
    request: PullRequest | None = None
    merged: bool = False


Report: TypeAlias = Synced | Failure


class _FailedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.words)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Sync:
    """One forge, and how to ask it.

    Attributes:
        token: returns the token; called for each use.
        method: how auto-merge merges; None leaves merging to people.
    """

    forge: Forge
    send: Send
    token: Callable[[], str]
    method: MergeMethod | None = None

    def run(self, proposal: BranchProposal) -> Report:
        """Make the forge show what a branch holds; it is safe to repeat.

        * Find the branch's open request, or else its newest.
        * Open, update or close it, or leave it.
        * Ask for auto-merge, if it is wanted and not on yet.
        """
        try:
            return self._run(proposal, self.token().strip())
        except _FailedError as error:
            return error.failure
        except InputError as error:
            # The token's file is being replaced.
            return Refused(str(error))
        except FailedError as error:
            refused = error.failed.kind is Kind.REFUSED
            return Refused(str(error)) if refused else Unreachable(str(error))
        except OutsideError as error:
            return Unreachable(str(error))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{type(error).__name__} {error}"
            words = f"the forge's answer has another shape than its API's: {what}"
            return Refused(fit_to_show(words))

    def _run(self, proposal: BranchProposal, token: str) -> Synced:
        found = self._find(proposal.branch, token)
        todo = step(found, proposal)
        words = words_of(proposal)
        request = found
        if todo is RequestStep.OPEN:
            request = self._ask(self.forge.open(token, proposal.branch, words.title, words.body))
        elif found is not None and todo is RequestStep.UPDATE:
            request = self._ask(self.forge.update(token, found.number, words.title, words.body))
        elif found is not None and todo is RequestStep.CLOSE:
            request = self._ask(self.forge.close(token, found.number, withdrawn(found.body)))
        if request is None or self.method is None or request.state is not State.OPEN:
            return Synced(todo, request)
        merged = self._let_merge(request, proposal.commit, token, self.method)
        return Synced(todo, request, merged=merged)

    def _find(self, branch: str, token: str) -> PullRequest | None:
        for state in (State.OPEN, State.CLOSED):
            for page in range(1, _MOST_PAGES + 1):
                content = self._content(self.forge.find(token, branch, state, page))
                found = self.forge.read_found(content, branch)
                if found:
                    return found[0]
                if len(content) < PAGE_SIZE:
                    break
        return None

    def _let_merge(self, request: PullRequest, head: str, token: str, method: MergeMethod) -> bool:
        """Ask for auto-merge; return whether it was merged at once instead."""
        if request.head != head:
            # A forge notices a push after a while; or somebody else pushed.
            raise _FailedError(Unreachable("the forge does not show the pushed commit yet"))
        if request.waits:
            return False
        answer = self.send(self.forge.auto_merge(token, request, head, method))
        outcome = self.forge.read_auto_merge(answer)
        if outcome is Merging.READY:
            self._content(self.forge.merge(token, request, head, method))
            return True
        if outcome is Merging.FAILED:
            raise _FailedError(_as_failure(answer))
        return False

    def _ask(self, request: Request) -> PullRequest:
        return self.forge.read(self._content(request))

    def _content(self, request: Request) -> Any:
        answer = self.send(request)
        if not isinstance(answer, Response):
            raise _FailedError(answer)
        return answer.json()


def _as_failure(answer: Response | Failure) -> Failure:
    """Why auto-merge was refused; GraphQL refuses with status 200."""
    if isinstance(answer, Refused) and answer.status in _NOT_YET:
        return Unreachable(answer.words)
    if not isinstance(answer, Response):
        return answer
    errors = (answer.json() or {}).get("errors") or []
    words = "; ".join(str(error.get("message")) for error in errors)
    return Refused(fit_to_show(f"auto-merge: {words}"), answer.status)
