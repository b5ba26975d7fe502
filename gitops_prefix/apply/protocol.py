"""PURE: what the daemon asks its child process, and what the child answers; both as lines of JSON.

Both ends are the same program in the same version. A value is written by
`dataclasses.asdict` and read by its type; no end names a field twice.
"""

import dataclasses
import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Any, ClassVar, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from gitops_prefix.apply.election import Election, LeaseName
from gitops_prefix.apply.fields import Configurations, ObjectReport
from gitops_prefix.apply.ownership import Reconciled
from gitops_prefix.errors import InputError, OutsideError, Problem

AnswerT = TypeVar("AnswerT")

AT_ONCE = 8
"""Objects that are written at once: a slow API server delays each, and not their sum."""
OBJECT_SECONDS = 20.0
"""For all requests about one object."""
FIRST_SECONDS = 8.0
"""For the first try of an object: one that hangs delays the others by less than its own limit."""


@dataclass(frozen=True, slots=True)
class ChildQuestion(Generic[AnswerT]):
    """What the child may be asked; `answer` is the type of what comes back."""

    answer: ClassVar[type[Any]]


@dataclass(frozen=True, slots=True)
class Wish:
    """How far an apply may go.

    Attributes:
        force: take fields over from reconcilers, and hold the reconcilers that can be held.
        others: take fields over from everybody who is no reconciler.
        dry_run: only say what would become of the object.
    """

    force: bool = False
    others: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Reports:
    """What came of each object, in the order of the question."""

    reports: tuple[ObjectReport, ...]


@dataclass(frozen=True, slots=True)
class ApplyObjects(ChildQuestion[Reports]):
    """Apply the managed fields of objects.

    Attributes:
        until: when our lead ends, by the monotonic clock: no write after that.
        seconds: for all requests about one object.
    """

    answer = Reports
    configurations: Configurations
    wish: Wish = Wish()
    until: float = inf
    seconds: float = OBJECT_SECONDS


@dataclass(frozen=True, slots=True)
class ReleaseObjects(ChildQuestion[Reports]):
    """Release objects whose live values are those of the branch; no value changes afterwards.

    Attributes:
        commit: what the reconciler must have first; empty: do not wait.
        ask: ask Argo CD, which does not have the commit yet, to look.
        asked: where Argo CD's Applications are, when not where an object says.
        left: the objects' files are gone from the repository.
        as_is: apply nothing first.
        keep: keep what no reconciler claims (`--apply=always`).
        until: when our lead ends, by the monotonic clock: no write after that.
        seconds: for all requests about one object.
    """

    answer = Reports
    configurations: Configurations
    commit: str = ""
    ask: bool = True
    asked: tuple[Reconciled, ...] = ()
    left: bool = False
    as_is: bool = False
    keep: bool = False
    until: float = inf
    seconds: float = OBJECT_SECONDS


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What was wrong with a write that nobody waits for; empty when nothing was.

    Attributes:
        refused: the API server said no, and would say no again.
        unreachable: it may succeed later.
        remark: for people, about a write that was taken.
    """

    refused: str = ""
    unreachable: str = ""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Annotate(ChildQuestion[Acknowledged]):
    """Set annotations on one object, by which its reconciler is asked to look now."""

    answer = Acknowledged
    reconciled: Reconciled
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MakeEvents(ChildQuestion[Acknowledged]):
    """Make Events of the objects; each is an API object."""

    answer = Acknowledged
    events: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class TryLease(ChildQuestion[Election]):
    """Read the Lease, and write it when the rules of `election` allow."""

    answer = Election
    lease: LeaseName
    election: Election


@dataclass(frozen=True, slots=True)
class ReleaseLease(ChildQuestion[Election]):
    """Give the Lease up, if we lead, so that nobody has to wait."""

    answer = Election
    lease: LeaseName
    election: Election


QUESTIONS: Mapping[str, type[ChildQuestion[Any]]] = {
    question.__name__: question
    for question in (ApplyObjects, ReleaseObjects, Annotate, MakeEvents, TryLease, ReleaseLease)
}


@dataclass(frozen=True, slots=True)
class _Failed:
    """In place of an answer.

    Attributes:
        input: whether the person who configured us has to mend something.
    """

    words: str
    input: bool = field(default=False)


def write_question(question: ChildQuestion[Any]) -> bytes:
    """The line that asks."""
    return _line({"ask": type(question).__name__, "with": dataclasses.asdict(question)})


def read_question(line: str | bytes) -> ChildQuestion[Any]:
    """What `write_question` wrote."""
    document = json.loads(line)
    question: ChildQuestion[Any] = from_document(QUESTIONS[document["ask"]], document["with"])
    return question


def write_answer(answer: object) -> bytes:
    """The line that answers."""
    return _line({"answer": dataclasses.asdict(answer)})  # type: ignore[call-overload]


def write_failure(error: InputError | OutsideError) -> bytes:
    """The line that says why there is no answer."""
    return _line({"failed": dataclasses.asdict(_Failed(str(error), isinstance(error, InputError)))})


def read_answer(question: ChildQuestion[AnswerT], line: bytes) -> AnswerT:
    """What `write_answer` wrote.

    Raises:
        InputError, OutsideError: what `write_failure` wrote, or the line is no answer.
    """
    try:
        document = json.loads(line)
        if "failed" not in document:
            answer: AnswerT = from_document(question.answer, document["answer"])
            return answer
        failed: _Failed = from_document(_Failed, document["failed"])
    except (LookupError, TypeError, ValueError) as error:
        raise OutsideError(f"what talks to the cluster gave no answer: {line[:80]!r}") from error
    if failed.input:
        raise InputError(Problem("invalid-kubeconfig", failed.words))
    raise OutsideError(failed.words)


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def from_document(kind: Any, document: Any) -> Any:
    """A value of a type, from what `dataclasses.asdict` and JSON made of it.

    Dataclasses, enums, tuples of these, and None are made; every other type is JSON's own.
    """
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        given = {
            member.name: from_document(hints[member.name], document[member.name])
            for member in dataclasses.fields(kind)
            if member.name in document
        }
        return kind(**given)  # type: ignore[operator]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(document)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        if not isinstance(document, Sequence):
            raise TypeError(f"{document!r} is no sequence")
        if arguments[1:] == (...,):
            return tuple(from_document(arguments[0], item) for item in document)
        return tuple(map(from_document, arguments, document))
    if origin in {Union, types.UnionType} and document is not None:
        made = next(filter(dataclasses.is_dataclass, arguments), object)
        return from_document(made, document)
    return document
