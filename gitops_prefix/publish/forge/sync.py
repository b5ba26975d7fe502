"""Making a forge show what waits on a branch: find, open, update, close, let it merge."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from gitops_prefix.errors import InputError, OutsideError
from gitops_prefix.publish.failure import FailedError, Kind
from gitops_prefix.publish.forge.forge import (
    PAGE_SIZE,
    Forge,
    MergeMethod,
    Merging,
    PullRequest,
    State,
)
from gitops_prefix.publish.forge.wanted import Step, step, withdrawn, words_of
from gitops_prefix.publish.http import (
    Failure,
    Refused,
    Request,
    Response,
    Send,
    Unreachable,
    fit_to_show,
)
from gitops_prefix.publish.proposal import Proposal

_MOST_PAGES = 10
_NOT_YET = frozenset({405, 409})
"""Asked to merge, a forge that still looks whether it could says so with one of these."""


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
