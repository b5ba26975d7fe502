"""Direct apply and release of one object: the managed fields, and nothing else.

* The object must exist, and be the one that the file means.
* The server's dry run comes first; if anything but managed fields would change, we refuse.
* Fields of others are taken over only from reconcilers, and only when that is asked for.
* The patch names the uid and the version that was read: a deleted object is not created
  again, and a changed object is read again.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from gitops_prefix.apply.fields import (
    ApplyConfiguration,
    LiveChange,
    ManagedField,
    ObjectReport,
    ObjectResult,
)
from gitops_prefix.apply.kube import ApiError, Connection, Served, missing_rule
from gitops_prefix.apply.ownership import (
    HOLDS,
    Conflict,
    Object,
    differences,
    holds_for,
    is_about,
    our_fields,
    our_holds,
    owners,
    read_conflicts,
    release_patch,
)
from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.render.manifest import NAME
from gitops_prefix.render.node import value_at


@dataclass(frozen=True, slots=True)
class LiveObject:
    """An object as it is now, and its kind."""

    served: Served
    live: Object


def find_object(connection: Connection, wanted: ApplyConfiguration) -> LiveObject | ObjectReport:
    """Look an object up.

    A file that names no namespace leaves that to kustomize or to the reconciler; then
    the one of the same name in the default namespace counts only with our annotation.

    Raises:
        OutsideError: the API server did not answer, or does not know us.
    """
    try:
        served = connection.served(wanted.api_version, wanted.kind)
        if served is None:
            words = f"the cluster has no {wanted.api_version} {wanted.kind}: it is not installed"
            return report(wanted, ObjectResult.NOT_INSTALLED, words)
        namespace = wanted.namespace or (connection.namespace if served.namespaced else "")
        live = connection.get(served, wanted.name, namespace)
    except ApiError as error:
        return failed(wanted, served, error)
    if live is None:
        where = f"in namespace {namespace}" if namespace else "in the cluster"
        return report(wanted, ObjectResult.MISSING, f"is not {where}; it is not made here")
    if served.namespaced and not wanted.namespace:
        annotations = live["metadata"].get("annotations") or {}
        if not wanted.follows or annotations.get(NAME) != wanted.follows:
            words = (
                f"the file names no namespace, and the one in {namespace} does not carry "
                f'{NAME}: "{wanted.follows}": write the namespace'
            )
            return report(wanted, ObjectResult.ANOTHER, words)
    return LiveObject(served, live)


def failed(wanted: ApplyConfiguration, served: Served | None, error: ApiError) -> ObjectReport:
    """What an answer of the API server means for an object."""
    if error.status == 403 and served is not None:
        return report(wanted, ObjectResult.FORBIDDEN, missing_rule(served, str(error)))
    if error.status == 404:
        return report(wanted, ObjectResult.MISSING, "is gone from the cluster")
    return report(wanted, ObjectResult.FAILED, str(error))


def report(
    wanted: ApplyConfiguration,
    standing: ObjectResult,
    message: str = "",
    changes: tuple[LiveChange, ...] = (),
    owners: tuple[str, ...] = (),
) -> ObjectReport:
    """What came of an object."""
    return ObjectReport(
        wanted.file,
        wanted.kind,
        wanted.namespace,
        wanted.name,
        standing,
        message,
        changes,
        owners,
        wanted.api_version,
    )


_ADVICE = "; it is taken over while Git is away, or with --force"
_TRIES = 5
"""For an object that others change while we look at it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for.

    Attributes:
        force: take fields over from reconcilers, and hold those that can be held.
        dry_run: only say what would become of it.
    """

    force: bool = False
    dry_run: bool = False


def apply_object(connection: Connection, wanted: ApplyConfiguration, wish: Wish) -> ObjectReport:
    """Apply the managed fields of one object.

    Raises:
        OutsideError: the API server did not answer, or does not know us.
    """
    for _ in range(_TRIES):
        found = find_object(connection, wanted)
        if isinstance(found, ObjectReport):
            return found
        try:
            answer = _try(connection, wanted, found, wish)
        except ApiError as error:
            if error.status != 409:
                return failed(wanted, found.served, error)
        else:
            return answer
    return report(wanted, ObjectResult.FAILED, "it changes faster than it can be applied")


def _try(
    connection: Connection, wanted: ApplyConfiguration, found: LiveObject, wish: Wish
) -> ObjectReport:
    """Once, for the object as it was found.

    Raises:
        ApiError: the server said no; 409 when the object is another one by now.
    """
    live, served = found.live, found.served
    if not any(_changes(live, wanted.fields)):
        return report(wanted, ObjectResult.UNCHANGED)
    holds = holds_for(live) if wish.force else {}
    body = _body(wanted, found, wanted.fields, holds)
    fields, told, force = wanted.fields, "", False
    outcome = _dry_run(connection, served, body)
    if isinstance(outcome, _Conflicts):
        others = [one for one in outcome if not one.of_a_reconciler]
        fields = tuple(one for one in fields if not _any_about(others, one))
        told, force = _tell(others), len(others) < len(outcome)
    changes, owned_by = tuple(_changes(live, fields)), tuple(_owners(live, fields))
    if not changes:
        return report(wanted, ObjectResult.CONFLICT, told)
    if isinstance(outcome, _Conflicts):
        if force and not wish.force:
            return report(wanted, ObjectResult.CONFLICT, _tell(outcome, _ADVICE), changes, owned_by)
        body = _body(wanted, found, fields, holds)
        outcome = connection.apply(served, body, force=force, dry_run=True)
    wrong = _unwanted(live, outcome, fields, holds)
    if wrong:
        return report(wanted, ObjectResult.REFUSED, wrong, changes, owned_by)
    if wish.dry_run:
        return report(wanted, ObjectResult.WOULD_CHANGE, told, changes, owned_by)
    connection.apply(served, body, force=force, dry_run=False)
    return report(wanted, ObjectResult.APPLIED, told, changes, owned_by)


class _Conflicts(tuple[Conflict, ...]):
    """What a dry run came to where others own what it names."""

    __slots__ = ()


def _dry_run(connection: Connection, served: Served, body: Object) -> Object | _Conflicts:
    try:
        return connection.apply(served, body, force=False, dry_run=True)
    except ApiError as error:
        conflicts = read_conflicts(error.causes) if error.status == 409 else ()
        if not conflicts:
            raise
        return _Conflicts(conflicts)


def _body(
    wanted: ApplyConfiguration,
    found: LiveObject,
    fields: Iterable[ManagedField],
    holds: Mapping[str, str],
) -> Object:
    live = found.live
    metadata = live["metadata"]
    body: Object = {
        "apiVersion": wanted.api_version,
        "kind": wanted.kind,
        "metadata": {
            key: metadata[key]
            for key in ("name", "namespace", "uid", "resourceVersion")
            if key in metadata
        },
    }
    applied = {one.applied for one in fields}
    # What we own and no longer want would be deleted, were it left out.
    for path in sorted(our_fields(live)):
        value = value_at(live, path)
        if value is not None and not any(path[: len(one)] == one for one in applied):
            _put(body, path, value)
    for path in applied:
        _put(body, path, value_at(dict(wanted.body), path))
    for key, value in holds.items():
        _put(body, ("metadata", "annotations", key), value)
    return body


def _put(body: Object, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        body = body.setdefault(key, {})
    body[path[-1]] = deepcopy(value)


def _changes(live: Object, fields: Iterable[ManagedField]) -> Iterable[LiveChange]:
    for one in fields:
        before = value_at(live, one.path)
        if before != one.value:
            yield LiveChange(dotted(one.path), before, one.value)


def _owners(live: Object, fields: Iterable[ManagedField]) -> list[str]:
    return sorted({name for one in fields for name in owners(live, one.applied)})


def _any_about(conflicts: Iterable[Conflict], field: ManagedField) -> bool:
    return any(is_about(one, field.applied) for one in conflicts)


def _tell(conflicts: Iterable[Conflict], advice: str = "") -> str:
    named = ", ".join(f"{one.field.lstrip('.')} is {one.manager}'s" for one in conflicts)
    return f"left alone: {named}{advice}" if named else ""


def _unwanted(
    live: Object, outcome: Object, fields: Iterable[ManagedField], holds: Mapping[str, str]
) -> str:
    """What the server would make of it beside what is wanted; nothing when it is that."""
    fields = tuple(fields)
    managed: list[Path] = [one.path for one in fields]
    managed += [("metadata", "annotations", key) for key in holds]
    more = differences(live, outcome, managed)
    if more:
        return f"refused: it would also change {', '.join(more[:5])}, which is not ours"
    for one in fields:
        after = value_at(outcome, one.path)
        if after != one.value:
            return f"refused: the server would make {dotted(one.path)} {after!r} of {one.value!r}"
    return ""


_LABEL = "kustomize.toolkit.fluxcd.io"
_NOT_TO_BE_KNOWN = {403, 404}


def behind(connection: Connection, live: Object, commit: str) -> str:
    """What Flux is at, when that is known to be another commit; else nothing.

    Reading its Kustomization is a right that we need not have.

    Args:
        connection: to the cluster.
        live: the object.
        commit: what the branch holds.

    Raises:
        OutsideError: the API server did not answer.
    """
    labels = live["metadata"].get("labels") or {}
    name, namespace = labels.get(f"{_LABEL}/name"), labels.get(f"{_LABEL}/namespace")
    if not (commit and name and namespace):
        return ""
    path = f"/apis/{_LABEL}/v1/namespaces/{namespace}/kustomizations/{name}"
    try:
        kustomization = connection.request("get", path)
    except ApiError as error:
        # Busy or broken for now says nothing about Flux.
        return "" if error.status in _NOT_TO_BE_KNOWN else f"{namespace}/{name}: {error}"
    revision = str((kustomization.get("status") or {}).get("lastAppliedRevision") or "")
    if not revision or revision.endswith(f":{commit}"):
        return ""
    return f"{namespace}/{name} is at {revision}"


_TRIES = 5
_STALE = {409, 422}
"""How the server answers when the version that the patch tests is another by now."""


def release_object(
    connection: Connection, wanted: ApplyConfiguration, commit: str = ""
) -> ObjectReport:
    """Remove our entries from managedFields, and our holds; every value stays.

    It does not matter which daemon applied, or when: what is there is what counts.

    Args:
        connection: to the cluster.
        wanted: the object.
        commit: what Flux must have applied before it is let go; empty for at once.

    Raises:
        OutsideError: the API server did not answer, or does not know us.
    """
    for _ in range(_TRIES):
        found = find_object(connection, wanted)
        if isinstance(found, ObjectReport):
            return found
        patch = release_patch(found.live, HOLDS)
        if not patch:
            return report(wanted, ObjectResult.UNCHANGED)
        if our_holds(found.live, HOLDS) and (words := behind(connection, found.live, commit)):
            return report(
                wanted, ObjectResult.WAITING, f"held until Flux has {commit[:12]}: {words}"
            )
        namespace = found.live["metadata"].get("namespace", "")
        content_type = "application/json-patch+json"
        try:
            connection.patch(found.served, wanted.name, namespace, patch, content_type)
        except ApiError as error:
            if error.status not in _STALE:
                return failed(wanted, found.served, error)
        else:
            return report(wanted, ObjectResult.RELEASED)
    return report(wanted, ObjectResult.FAILED, "it changes faster than it can be released")
