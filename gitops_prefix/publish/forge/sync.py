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
from gitops_prefix.publish.forge.forge import (
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
"""Asked to merge, a forge that still looks whether it could says so with one of these."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A branch of ours, and what is on it.

    Attributes:
        commit: ours; empty when nothing is left to propose.
        title: the commit's subject.
        body: the rest of its message.
        decision: stands for what is decided: who said no to it need not be asked again.
    """

    branch: str
    commit: str = ""
    title: str = ""
    body: str = ""
    decision: str = ""


def proposal(branch: str, commit: str, message: str, decision: str) -> Proposal:
    """The proposal that a commit is."""
    title, _, body = message.strip("\n").partition("\n")
    return Proposal(branch, commit, title, body.strip("\n"), decision)


def decision_of(transitions: Sequence[StatusChange], changes: Iterable[Changed]) -> str:
    """A word that is the same while the same is decided, whatever the files look like."""
    lines = [_line(one) for one in sorted(transitions, key=lambda one: one.name)]
    if not lines:
        lines = [f"{one.path} {one.kind} {one.namespace} {one.name} {one.field}" for one in changes]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _line(one: StatusChange) -> str:
    before = "" if one.previous is None else str(one.previous.current)
    if one.moved:
        return f"{one.name} {before} {one.current.current}"
    held = " ".join(map(str, one.current.prefixes))
    return f"{one.name} {held} {one.current.dns_target}"


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


@dataclass(frozen=True, slots=True)
class Synced:
    """The forge shows it.

    Attributes:
        step: what was done.
        request: as it is now; None when there is none.
        merged: whether it was merged at once, because nothing was to be waited for.
    """

    step: Step
    request: PullRequest | None = None
    merged: bool = False


Report: TypeAlias = Synced | Failure


class _FailedError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.words)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Sync:
    """One forge, and the way to ask it.

    Attributes:
        token: gives it, anew at each use.
        method: how requests merge by themselves; None leaves that to people.
    """

    forge: Forge
    send: Send
    token: Callable[[], str]
    method: MergeMethod | None = None

    def run(self, proposal: Proposal) -> Report:
        """Bring the forge to what a branch holds; safe to do twice.

        * Find the branch's open request, or else its newest.
        * Open, update, close it, or leave it.
        * Let it merge by itself, if that is wanted and not yet asked for.
        """
        try:
            return self._run(proposal, self.token().strip())
        except _FailedError as error:
            return error.failure
        except InputError as error:
            # A token that is being replaced on the disk.
            return Refused(str(error))
        except FailedError as error:
            refused = error.failed.kind is Kind.REFUSED
            return Refused(str(error)) if refused else Unreachable(str(error))
        except OutsideError as error:
            return Unreachable(str(error))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            words = f"the forge's answer is not of its API's shape: {type(error).__name__} {error}"
            return Refused(fit_to_show(words))

    def _run(self, proposal: Proposal, token: str) -> Synced:
        found = self._find(proposal.branch, token)
        todo = step(found, proposal)
        words = words_of(proposal)
        request = found
        if todo is Step.OPEN:
            request = self._ask(self.forge.open(token, proposal.branch, words.title, words.body))
        elif found is not None and todo is Step.UPDATE:
            request = self._ask(self.forge.update(token, found.number, words.title, words.body))
        elif found is not None and todo is Step.CLOSE:
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
        """Ask for auto-merge; whether it was merged instead, since nothing is to be waited for."""
        if request.head != head:
            # A forge takes note of a push in its own time; this one may even be another's.
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
    """Why a request does not merge by itself; GraphQL says no with a status of 200."""
    if isinstance(answer, Refused) and answer.status in _NOT_YET:
        return Unreachable(answer.words)
    if not isinstance(answer, Response):
        return answer
    errors = (answer.json() or {}).get("errors") or []
    words = "; ".join(str(one.get("message")) for one in errors)
    return Refused(fit_to_show(f"auto-merge: {words}"), answer.status)
