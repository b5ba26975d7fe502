"""Direct apply and release of one object: the managed fields, and nothing else.

* The object must exist, and be the one that the file means.
* The server's dry run comes first; if anything but managed fields would change, we refuse.
* Fields of others are taken over only as far as `Wish` says.
* The patch names the uid and the version that was read: a deleted object is not created
  again, and a changed object is read again.
* An object is released only when its live values are those that were asked for, and its
  reconciler has the commit: else the reconciler would put the old value back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gitops_prefix.apply.fields import (
    ApplyConfiguration,
    LiveChange,
    ManagedField,
    ObjectReport,
    ObjectResult,
    report_on,
)
from gitops_prefix.apply.kube import ApiError, Connection, NotLeadingError, Served, missing_rule
from gitops_prefix.apply.ownership import (
    ARGOCD_NAMESPACE,
    FIELD_MANAGER,
    NOBODY,
    RECONCILERS,
    Object,
    Reconciled,
    ReconcilerClaim,
    claim_of,
    differences,
    holds_for,
    inventory_id,
    our_entries,
    our_fields,
    our_holds,
    owners,
    pause_of,
    release_patch,
)
from gitops_prefix.apply.protocol import ReleaseObjects, Wish
from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.errors import OutsideError
from gitops_prefix.render.manifest import NAME
from gitops_prefix.render.node import value_at

_ADVICE = "; it is taken over while Git is away, or with --force"
_TRIES = 5
"""For an object that others change while we look at it."""
_STALE = {409, 422}
"""How the server answers when the version that a JSON patch tests has changed."""
_CONFLICT = "FieldManagerConflict"


@dataclass(frozen=True, slots=True)
class LiveObject:
    """An object as it is now, and its kind."""

    served: Served
    live: Object


def find_object(connection: Connection, wanted: ApplyConfiguration) -> LiveObject | ObjectReport:
    """Look an object up.

    A file that names no namespace leaves that to kustomize or to the reconciler; then
    the object of the same name in the default namespace counts only with our annotation.

    Raises:
        OutsideError: the API server did not answer, or does not know us.
    """
    served = None
    try:
        served = connection.served(wanted.api_version, wanted.kind)
        if served is None:
            words = (
                f"the cluster has no {wanted.api_version} {wanted.kind}: it is not installed: "
                "install its definition, or leave the file out by --exclude"
            )
            return _nothing_held(report_on(wanted, ObjectResult.NOT_INSTALLED, words))
        namespace = wanted.namespace or (connection.namespace if served.namespaced else "")
        live = connection.get(served, wanted.name, namespace)
    except ApiError as error:
        report = _failed(wanted, served, error)
        guessed = served is not None and served.namespaced and not wanted.namespace
        if error.status != 403 or not guessed:
            return report
        words = (
            f'the file names no namespace, so namespace "{namespace}" was searched: '
            "write metadata.namespace"
        )
        return replace(report, message=f"{words}; {report.message}")
    if live is None:
        where = f"in namespace {namespace}" if namespace else "in the cluster"
        words = f"is not {where}; it is not created here"
        return _nothing_held(report_on(wanted, ObjectResult.MISSING, words))
    if served.namespaced and not wanted.namespace:
        annotations = live["metadata"].get("annotations") or {}
        if not wanted.follows or annotations.get(NAME) != wanted.follows:
            words = (
                f"the file names no namespace, and the one in {namespace} does not carry "
                f'{NAME}: "{wanted.follows}": write the namespace'
            )
            return _nothing_held(report_on(wanted, ObjectResult.ANOTHER, words))
    return LiveObject(served, live)


def apply_object(connection: Connection, wanted: ApplyConfiguration, wish: Wish) -> ObjectReport:
    """Apply the managed fields of one object.

    Raises:
        OutsideError: the API server did not answer, or does not know us.
    """

    def attempt(found: LiveObject) -> ObjectReport:
        report, _ = _try(connection, wanted, found, wish)
        return report

    return _until_it_stands(connection, wanted, attempt, {409})


def _until_it_stands(
    connection: Connection,
    wanted: ApplyConfiguration,
    attempt: Callable[[LiveObject], ObjectReport],
    stale: set[int],
) -> ObjectReport:
    """Try with the object as it is read, and again when it changed meanwhile."""
    for _ in range(_TRIES):
        found = find_object(connection, wanted)
        if isinstance(found, ObjectReport):
            return found
        try:
            return attempt(found)
        except NotLeadingError as error:
            return report_on(wanted, ObjectResult.NOT_LEADING, str(error))
        except ApiError as error:
            if error.status not in stale:
                return _failed(wanted, found.served, error)
            others = [
                cause.get("message", "")
                for cause in error.causes
                if cause.get("reason") == _CONFLICT
            ]
            if others:
                return report_on(wanted, ObjectResult.CONFLICT, f"left alone: {'; '.join(others)}")
    return report_on(wanted, ObjectResult.FAILED, "it changes faster than it can be written")


def _try(
    connection: Connection, wanted: ApplyConfiguration, found: LiveObject, wish: Wish
) -> tuple[ObjectReport, Object]:
    """Apply once, to the object as it was found; and the object as it is then.

    Raises:
        ApiError: the server said no; 409 when the object changed meanwhile.
    """
    live, served = found.live, found.served
    if not any(_changes(live, wanted.fields)):
        return _report(wanted, ObjectResult.UNCHANGED, live), live
    holds = holds_for(live) if wish.force else {}
    claimed = claim_of(live) is not None
    takes = [(field, _owned_by(live, field, wish, claimed=claimed)) for field in wanted.fields]
    fields = tuple(field for field, ownership in takes if not ownership.kept_by)
    message = _kept((field, ownership.kept_by) for field, ownership in takes)
    changes, owned_by = tuple(_changes(live, fields)), _all_owners(live, fields)
    if not changes:
        all_changes = tuple(_changes(live, wanted.fields))
        names = _all_owners(live, wanted.fields)
        report = _report(wanted, ObjectResult.CONFLICT, live, message, all_changes, names)
        return report, live
    body = _body(wanted, live, fields, holds)
    # Where nobody is an owner yet, the server makes `before-first-apply` the owner of everything.
    force = not live["metadata"].get("managedFields") or any(
        ownership.taken_from for _, ownership in takes if not ownership.kept_by
    )
    outcome = connection.apply(served, body, force=force, dry_run=True)
    if wrong := _unwanted(live, outcome, fields, holds):
        report = _report(wanted, ObjectResult.REFUSED, live, wrong, changes, owned_by)
        return report, live
    if wish.dry_run:
        report = _report(wanted, ObjectResult.WOULD_CHANGE, live, message, changes, owned_by)
        return report, live
    after = connection.apply(served, body, force=force, dry_run=False)
    if holds:
        several = _several(_kustomizations(connection, live)[0])
        message = "; ".join(filter(None, (message, several)))
    return _report(wanted, ObjectResult.APPLIED, after, message, changes, owned_by), after


@dataclass(frozen=True, slots=True)
class _Ownership:
    """Whose a field is, and whether that keeps us from it.

    Attributes:
        kept_by: who keeps the field, and what one may do; empty when we may have it.
        taken_from: the other managers that own it.
    """

    kept_by: str
    taken_from: tuple[str, ...]


def _owned_by(live: Object, field: ManagedField, wish: Wish, *, claimed: bool) -> _Ownership:
    managers = tuple(name for name in owners(live, field.applied) if name != FIELD_MANAGER)
    reconcilers = [name for name in managers if name in RECONCILERS]
    others = [name for name in managers if name not in RECONCILERS and name not in NOBODY]
    if others and not wish.others:
        return _Ownership(f"is {', '.join(others)}'s", managers)
    if (reconcilers or claimed) and not wish.force:
        whose = f"{', '.join(reconcilers)}'s" if reconcilers else "a reconciler's"
        return _Ownership(f"is {whose}{_ADVICE}", managers)
    return _Ownership("", managers)


def _kept(kept: Iterable[tuple[ManagedField, str]]) -> str:
    named = ", ".join(f"{dotted(field.applied)} {words}" for field, words in kept if words)
    return f"left alone: {named}" if named else ""


def _all_owners(live: Object, fields: Iterable[ManagedField]) -> list[str]:
    return sorted({name for field in fields for name in owners(live, field.applied)})


def _body(
    wanted: ApplyConfiguration,
    live: Object,
    fields: Iterable[ManagedField],
    holds: Mapping[str, str],
) -> Object:
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
    applied = {field.applied for field in fields}
    # The server deletes what we own and do not send.
    for path in sorted(our_fields(live)):
        value = value_at(live, path)
        if value is not None and not any(path[: len(keys)] == keys for keys in applied):
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
    for field in fields:
        before = value_at(live, field.path)
        if before != field.value:
            yield LiveChange(dotted(field.path), before, field.value)


def _unwanted(
    live: Object, outcome: Object, fields: Iterable[ManagedField], holds: Mapping[str, str]
) -> str:
    """What the server would change beside what is wanted; empty when it is only that."""
    fields = tuple(fields)
    managed: list[Path] = [field.path for field in fields]
    managed += [("metadata", "annotations", key) for key in holds]
    more = differences(live, outcome, managed)
    if more:
        return f"refused: it would also change {', '.join(more[:5])}, which is not ours"
    for field in fields:
        after = value_at(outcome, field.path)
        if after != field.value:
            return (
                f"refused: the server would make {dotted(field.path)} {after!r} of {field.value!r}"
            )
    return ""


def release_object(
    connection: Connection,
    wanted: ApplyConfiguration,
    release: ReleaseObjects,
    now: Callable[[], datetime],
) -> ObjectReport:
    """Release what we own of one object.

    It does not matter which daemon applied, or when: only what is live counts.

    * Apply what differs from what is wanted, while the reconciler is still held.
    * Wait until the reconciler has the commit.
    * Merge our entry into the reconciler's and remove our hold, by one JSON patch.
    * Ask Flux's Kustomization to reconcile: it counts a skipped object as applied.

    Args:
        connection: to the cluster.
        wanted: the object.
        release: what to wait for, and what to keep.
        now: what time it is, for the request to reconcile.

    Raises:
        OutsideError: the API server did not answer, or does not know us.
    """

    def attempt(found: LiveObject) -> ObjectReport:
        return _release(connection, wanted, found, release, now)

    return _until_it_stands(connection, wanted, attempt, _STALE)


def _release(
    connection: Connection,
    wanted: ApplyConfiguration,
    found: LiveObject,
    release: ReleaseObjects,
    now: Callable[[], datetime],
) -> ObjectReport:
    live, claim = found.live, claim_of(found.live)
    if not our_entries(live) or (release.keep and claim is None):
        return _nothing_held(report_on(wanted, ObjectResult.UNCHANGED))
    if not (release.left or release.as_is):
        report, live = _try(connection, wanted, found, Wish(force=True))
        if report.result is ObjectResult.REFUSED and release.commit:
            return report
    reconciled = _waited_for(claim, release.asked)
    every, fault = _kustomizations(connection, live)
    every = every or tuple(filter(None, (reconciled,)))
    waited, words = (
        _find_behind(connection, every, fault, release, now) if release.commit else (None, "")
    )
    if waited is not None:
        report = _report(wanted, ObjectResult.WAITING, live, words)
        return replace(report, waits_for=str(waited))
    held = bool(our_holds(live))
    namespace = live["metadata"].get("namespace", "")
    patch, content_type = release_patch(live), "application/json-patch+json"
    connection.patch(found.served, wanted.name, namespace, patch, content_type)
    if release.left and claim is not None:
        where = f" --namespace {namespace}" if namespace else ""
        left = (
            f"was held while its file {wanted.file} left the repository or ceased to be managed, "
            "and was released. If the file is gone, the reconciler does not delete the object: "
            f"kubectl delete {found.served.plural}.{found.served.group}".rstrip(".")
            + f" {wanted.name}{where}"
        )
        return _nothing_held(report_on(wanted, ObjectResult.LEFT, left))
    said = [words, _several(every)]
    if held and not words:
        asked = (each for each in every if each.kind == "Kustomization")
        said += [_ask_to_reconcile(connection, each, now()) for each in asked]
    message = "; ".join(filter(None, said))
    return _nothing_held(report_on(wanted, ObjectResult.RELEASED, message))


def _waited_for(claim: ReconcilerClaim | None, asked: Iterable[Reconciled]) -> Reconciled | None:
    """What shows which commit the reconciler has.

    An object names its Application without the namespace that Argo CD is in; a reconcile
    request for an Application of that name has it.
    """
    found = claim.reconciled if claim is not None else None
    if found is None or found.kind != "Application" or found.namespace != ARGOCD_NAMESPACE:
        return found
    named = (each for each in asked if (each.kind, each.name) == (found.kind, found.name))
    return next(named, found)


def _find_behind(
    connection: Connection,
    every: Sequence[Reconciled],
    fault: str,
    release: ReleaseObjects,
    now: Callable[[], datetime],
) -> tuple[Reconciled | None, str]:
    """The first reconciler to wait for, and why; else None, and what to say of one that is gone.

    With a fault, there may be more than those that are known to apply the object.
    """
    absent = ""
    for reconciled in every:
        behind = _behind(connection, reconciled, release, now)
        if behind is None:
            absent = f"released; there is no {reconciled}, so that nobody was waited for"
            if reconciled.kind == "Application":
                absent += ": name it by --request-reconcile application:NAMESPACE/NAME"
        elif behind:
            return reconciled, f"held until {reconciled} has {release.commit[:12]}: {behind}"
    if fault:
        return every[0], f"held until the Kustomizations beside {every[0]} can be listed: {fault}"
    return None, absent


def _kustomizations(connection: Connection, live: Object) -> tuple[tuple[Reconciled, ...], str]:
    """The Kustomization that claims an object, and all that have the object in their inventory.

    Each of them applies the object. To list them is a right that we need not have.

    Returns:
        Them, and why the server does not say now which there are.
    """
    claim = claim_of(live)
    own = claim.reconciled if claim is not None else None
    if own is None or own.kind != "Kustomization":
        return (), ""
    named = inventory_id(live)
    path = f"/apis/{own.api_version}/namespaces/{own.namespace}/{own.plural}"
    try:
        listed = connection.list_if_allowed(path)
    except OutsideError as error:
        return (own,), str(error)
    found = (
        replace(own, name=each["metadata"]["name"])
        for each in listed
        for entry in ((each.get("status") or {}).get("inventory") or {}).get("entries") or ()
        if entry.get("id") == named
    )
    return tuple(dict.fromkeys((own, *found))), ""


def _several(kustomizations: tuple[Reconciled, ...]) -> str:
    """What to say of an object that several Kustomizations apply; empty of any other."""
    if len(kustomizations) < 2:
        return ""
    names = ", ".join(map(str, kustomizations))
    return f"{names} all apply it, and may put old values back: leave it to one of them"


def _behind(
    connection: Connection,
    reconciled: Reconciled,
    release: ReleaseObjects,
    now: Callable[[], datetime],
) -> str | None:
    """What the reconciler has, when it is known not to be the commit; None when it is not there.

    fluxcd.io, "Kustomization", "Last applied revision". Argo CD: `status.sync.revision` is the
    commit that it compared with last, and that it puts back after an event on an object.

    Raises:
        OutsideError: the API server did not answer.
    """
    served = Served(reconciled.api_version, reconciled.kind, reconciled.plural, namespaced=True)
    is_flux = reconciled.kind == "Kustomization"
    try:
        found = connection.get(served, reconciled.name, reconciled.namespace)
    except ApiError as error:
        if error.status == 403:
            # Flux: reading its Kustomization is a right that we need not have. Argo CD would put
            # the old value back within a second, so it is given its 15 minutes.
            return "" if is_flux else missing_rule(served, str(error), "get", "patch")
        return str(error)
    if found is None:
        return None
    status, spec = found.get("status") or {}, found.get("spec") or {}
    if is_flux:
        # Of an artifact, the commit that it was built from ("Last applied origin revision").
        origin = str(status.get("lastAppliedOriginRevision") or "")
        if spec.get("suspend") or (_source_of(spec) != "GitRepository" and not origin):
            # It follows no commit, or none of this repository's.
            return ""
        revisions = [origin or str(status.get("lastAppliedRevision") or "")]
    else:
        sync = status.get("sync") or {}
        revisions = [*map(str, sync.get("revisions") or ()), str(sync.get("revision") or "")]
    known = [revision for revision in revisions if revision]
    if not known or any(_names(revision, release.commit) for revision in known):
        return ""
    if release.ask and not is_flux:
        _ask_to_reconcile(connection, reconciled, now())
    return "; ".join(filter(None, (f"it is at {', '.join(known)}", pause_of(found))))


def _source_of(spec: Mapping[str, Any]) -> str:
    return str((spec.get("sourceRef") or {}).get("kind") or "GitRepository")


def _names(revision: str, commit: str) -> bool:
    """Whether a revision is a commit: `main@sha1:COMMIT`, `sha1:COMMIT`, `main/COMMIT`, COMMIT."""
    return revision == commit or revision.endswith((f":{commit}", f"/{commit}"))


def _ask_to_reconcile(connection: Connection, reconciled: Reconciled, now: datetime) -> str:
    """Ask for a look; why that was not possible, for people: the reconciler looks by itself."""
    served = Served(reconciled.api_version, reconciled.kind, reconciled.plural, namespaced=True)
    key, value = reconciled.annotation(now)
    patch = {"metadata": {"annotations": {key: value}}}
    try:
        connection.patch(
            served, reconciled.name, reconciled.namespace, patch, "application/merge-patch+json"
        )
    except ApiError as error:
        if error.status == 403:
            rule = missing_rule(served, str(error), "patch")
            return f"released; {reconciled} was not asked to reconcile: {rule}"
    except OutsideError as error:
        return f"released; {reconciled} was not asked to reconcile: {error}"
    return ""


def _report(  # noqa: PLR0913, PLR0917  as `report_on`
    wanted: ApplyConfiguration,
    result: ObjectResult,
    live: Object,
    message: str = "",
    changes: tuple[LiveChange, ...] = (),
    owned_by: Iterable[str] = (),
) -> ObjectReport:
    """A report that says whether the object keeps its reconciler away for us."""
    held = bool(our_entries(live)) and claim_of(live) is not None
    return replace(report_on(wanted, result, message, changes, owned_by), held=held)


def _nothing_held(report: ObjectReport) -> ObjectReport:
    return replace(report, held=False)


def _failed(wanted: ApplyConfiguration, served: Served | None, error: ApiError) -> ObjectReport:
    """What an answer of the API server means for an object."""
    if error.status == 403:
        words = str(error) if served is None else missing_rule(served, str(error))
        return report_on(wanted, ObjectResult.FORBIDDEN, words)
    if error.status == 404:
        return _nothing_held(report_on(wanted, ObjectResult.MISSING, "is gone from the cluster"))
    report = report_on(wanted, ObjectResult.FAILED, str(error))
    return replace(report, retry_after=error.retry_after)
