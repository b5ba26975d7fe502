"""The child process: a question on a line of standard input, its answer on a line of output.

It ends with its standard input. An empty line is answered by an empty line: the client is
imported then. `protocol` has the questions.
"""

import os
import sys
import time  # noqa: TID251  a process of its own, which begins here
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import singledispatch
from math import ceil
from typing import Any

from gitops_prefix.apply.election import Election, LeaseName, LeaseRecord, LeaseStep
from gitops_prefix.apply.fields import ApplyConfiguration, ObjectReport, ObjectResult, report_on
from gitops_prefix.apply.kube import (
    ApiError,
    Connection,
    NotConnectedError,
    Served,
    missing_rule,
)
from gitops_prefix.apply.kube_apply import apply_object, release_object
from gitops_prefix.apply.kube_config import own_namespace
from gitops_prefix.apply.ownership import pause_of
from gitops_prefix.apply.protocol import (
    AT_ONCE,
    Acknowledged,
    Annotate,
    ApplyObjects,
    ChildQuestion,
    MakeEvents,
    ReleaseLease,
    ReleaseObjects,
    Reports,
    TryLease,
    read_question,
    write_answer,
    write_failure,
)
from gitops_prefix.errors import GitopsPrefixError, InputError, OutsideError

_SHORT_SECONDS = 10.0
"""For a write that nobody waits for."""
_UNFIT, _WANTED_BY = "gitops-prefix.io/unfit", "gitops-prefix.io/wanted-by"
"""Annotations of the Lease."""
_EVENTS = Served("events.k8s.io/v1", "Event", "events", namespaced=True)
_FORBIDDEN, _NOT_FOUND, _CONFLICT, _TOO_MANY, _SERVERS_OWN = 403, 404, 409, 429, 500


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  likewise


@singledispatch
def answer(question: ChildQuestion[Any], connection: Connection) -> object:
    """The answer to a question, by its type.

    Raises:
        InputError, OutsideError: the question failed; what was done before stays done.
    """
    raise TypeError(f"nobody answers {question!r} from {connection!r}")


@answer.register
def _apply(question: ApplyObjects, connection: Connection) -> Reports:
    return for_each(
        question.configurations,
        lambda wanted: apply_object(
            connection.limited(question.seconds, question.until), wanted, question.wish
        ),
    )


@answer.register
def _release(question: ReleaseObjects, connection: Connection) -> Reports:
    return for_each(
        question.configurations,
        lambda wanted: release_object(
            connection.limited(question.seconds, question.until), wanted, question, _now
        ),
    )


def for_each(
    configurations: Iterable[ApplyConfiguration], act: Callable[[ApplyConfiguration], ObjectReport]
) -> Reports:
    """The report on each object, some at a time: an object that fails does not stop the others.

    When so many in a row found no connection, the API server is gone, and the rest is not tried.
    An object that hangs does not count: a webhook of its kind may be slow.

    Raises:
        OutsideError: the API server could not be reached for any of them.
    """
    unreachable: list[OutsideError] = []
    in_a_row: list[NotConnectedError] = []

    def report(wanted: ApplyConfiguration) -> ObjectReport:
        # Taken at once: another thread may clear the list at any time.
        gone = in_a_row[AT_ONCE - 1 :]
        if gone:
            unreachable.append(gone[-1])
            return report_on(wanted, ObjectResult.FAILED, f"not tried: {gone[-1]}")
        try:
            made = act(wanted)
        except OutsideError as error:
            unreachable.append(error)
            if isinstance(error, NotConnectedError):
                in_a_row.append(error)
            else:
                in_a_row.clear()
            return report_on(wanted, ObjectResult.FAILED, str(error))
        except InputError as error:
            return report_on(wanted, ObjectResult.FAILED, str(error))
        except Exception as error:  # noqa: BLE001  whatever an object of others may hold
            words = f"a bug of ours: {type(error).__name__}: {error}"
            return report_on(wanted, ObjectResult.FAILED, words)
        in_a_row.clear()
        return made

    with ThreadPoolExecutor(AT_ONCE) as threads:
        reports = tuple(threads.map(report, configurations))
    if unreachable and len(unreachable) == len(reports):
        raise unreachable[0]
    return Reports(reports)


@answer.register
def _annotate(question: Annotate, connection: Connection) -> Acknowledged:
    """`patch` is the only right that this needs."""
    reconciled = question.reconciled
    served = Served(reconciled.api_version, reconciled.kind, reconciled.plural, namespaced=True)
    patch = {"metadata": {"annotations": dict(question.annotations)}}
    try:
        after = connection.limited(_SHORT_SECONDS).patch(
            served, reconciled.name, reconciled.namespace, patch, "application/merge-patch+json"
        )
    except ApiError as error:
        if error.status == _FORBIDDEN:
            return Acknowledged(refused=missing_rule(served, str(error), "patch"))
        if error.status == _NOT_FOUND:
            return Acknowledged(refused=f"there is no {reconciled}")
        later = error.status == _TOO_MANY or error.status >= _SERVERS_OWN
        return Acknowledged(**{"unreachable" if later else "refused": str(error)})
    return Acknowledged(remark=pause_of(after))


@answer.register
def _make_events(question: MakeEvents, connection: Connection) -> Acknowledged:
    """`create` is the only right that this needs. Who may not make one may make none."""
    refused = ""
    for event in question.events:
        namespace = event["metadata"]["namespace"]
        try:
            connection.limited(_SHORT_SECONDS).request(
                "post", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", body=event
            )
        except ApiError as error:
            if error.status == _FORBIDDEN:
                return Acknowledged(refused=missing_rule(_EVENTS, str(error), "create"))
            # An Event whose namespace does not exist is left out.
            if error.status != _NOT_FOUND:
                refused = str(error)
    return Acknowledged(refused=refused)


@answer.register
def _try_lease(question: TryLease, connection: Connection) -> Election:
    lease, election = _placed(question.lease), question.election
    # client-go's: a request that takes longer would miss the next try.
    connection = connection.limited(max(1.0, election.durations.renew / 2))
    election = election.see(*_read_lease(connection, lease), time.monotonic())
    step = election.step(time.monotonic())
    if step is LeaseStep.RELEASE:
        # Whoever asks ends first what writes, and then asks for the release.
        return election
    return _write_lease(connection, lease, election, step)


@answer.register
def _release_lease(question: ReleaseLease, connection: Connection) -> Election:
    lease, election = _placed(question.lease), question.election
    connection = connection.limited(max(1.0, election.durations.renew / 2))
    election = election.see(*_read_lease(connection, lease), time.monotonic())
    ours = election.record is not None and election.record.holder == election.identity
    return _write_lease(connection, lease, election, LeaseStep.RELEASE if ours else LeaseStep.WAIT)


def _placed(lease: LeaseName) -> LeaseName:
    return LeaseName(lease.name, lease.namespace or own_namespace())


def _leases(lease: LeaseName) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{lease.namespace}/leases"


def _read_lease(connection: Connection, lease: LeaseName) -> tuple[LeaseRecord | None, str]:
    try:
        found = connection.request("get", f"{_leases(lease)}/{lease.name}")
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return None, ""
        raise
    spec, annotations = found.get("spec") or {}, found["metadata"].get("annotations") or {}
    record = LeaseRecord(
        spec.get("holderIdentity") or "",
        float(spec.get("leaseDurationSeconds") or 0),
        spec.get("acquireTime") or "",
        spec.get("renewTime") or "",
        int(spec.get("leaseTransitions") or 0),
        annotations.get(_UNFIT) == "true",
        annotations.get(_WANTED_BY) or "",
    )
    return record, str(found["metadata"]["resourceVersion"])


def _write_lease(
    connection: Connection, lease: LeaseName, election: Election, step: LeaseStep
) -> Election:
    if step is LeaseStep.WAIT:
        return election
    match step:
        case LeaseStep.RELEASE:
            record = election.release(_now())
        case LeaseStep.ASK:
            record = election.request()
        case _:
            record = election.claim(_now())
    began = time.monotonic()
    creates = step is LeaseStep.CREATE
    document = _lease_document(lease, record, "" if creates else election.version)
    method, path = ("post", "") if creates else ("put", f"/{lease.name}")
    try:
        written = connection.request(method, f"{_leases(lease)}{path}", body=document)
    except ApiError as error:
        if error.status == _CONFLICT:
            # Another candidate was faster; the next look says who.
            return election
        raise
    return election.wrote(record, str(written["metadata"]["resourceVersion"]), began)


def _lease_document(lease: LeaseName, record: LeaseRecord, version: str) -> dict[str, object]:
    metadata = {"name": lease.name, "namespace": lease.namespace}
    said = {_UNFIT: "true" if record.unfit else "", _WANTED_BY: record.wanted_by}
    annotations = {key: value for key, value in said.items() if value}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            **metadata,
            **({"resourceVersion": version} if version else {}),
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": {
            "holderIdentity": record.holder,
            # An integer in the API; rather longer than shorter: the others wait for it.
            "leaseDurationSeconds": ceil(record.seconds),
            "acquireTime": record.acquired,
            "renewTime": record.renewed,
            "leaseTransitions": record.transitions,
        },
    }


class _Answers:
    """The connection is made with the first question, and again after one that failed."""

    def __init__(self, kubeconfig: str, context: str) -> None:
        self._access = (kubeconfig, context)
        self._connection: Connection | None = None

    def line(self, asked: str) -> bytes:
        try:
            if self._connection is None:
                self._connection = Connection(*self._access)
            return write_answer(answer(read_question(asked), self._connection))
        except (InputError, OutsideError) as error:
            # A token's file may hold another token by now.
            self._connection = None
            return write_failure(error)
        except GitopsPrefixError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # What somebody else wrote into a Lease, say. Without a traceback: it may quote a token.
            return write_failure(OutsideError(f"{type(error).__name__}: {error}"))


def main() -> None:
    """Answer until nobody can ask any more."""
    parser = ArgumentParser(prog="python -m gitops_prefix.apply.kube_child")
    parser.add_argument("--kubeconfig", default="")
    parser.add_argument("--context", default="")
    options = parser.parse_args()
    # Whatever a library prints is no answer.
    answers, sys.stdout = os.fdopen(os.dup(1), "wb", 0), sys.stderr
    os.dup2(2, 1)
    import kubernetes.dynamic  # noqa: F401, PLC0415  so that the first question need not wait

    answering = _Answers(options.kubeconfig, options.context)
    for asked in sys.stdin:
        answers.write(answering.line(asked) if asked.strip() else b"\n")


if __name__ == "__main__":
    main()
