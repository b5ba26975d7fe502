"""Direct apply of one object (DESIGN 6): the managed fields, and nothing else.

* The object must be there, and be the one that the file means.
* The server's dry run comes first; if anything but managed fields would change, we refuse.
* Fields of others are taken over only from reconcilers, and only when that is asked for.
* The patch names the uid and the version that was looked at: what was deleted meanwhile
  is not made anew, and what was changed meanwhile is looked at again.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from gitops_prefix.cluster.api_object import Object
from gitops_prefix.cluster.comparison import differences
from gitops_prefix.cluster.conflict import Conflict, is_about, read_conflicts
from gitops_prefix.cluster.connection import ApiError, Connection, Served
from gitops_prefix.cluster.holds import holds_for
from gitops_prefix.cluster.objects import Found, failed, find_object, report
from gitops_prefix.cluster.ownership import our_fields, owners
from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.direct.configuration import ApplyConfiguration, ManagedField
from gitops_prefix.direct.report import FieldChange, Report, Standing
from gitops_prefix.render.plain_value import value_at

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


def apply_object(connection: Connection, wanted: ApplyConfiguration, wish: Wish) -> Report:
    """Apply the managed fields of one object.

    Raises:
        OutsideError: the API server did not answer, or does not know us.
    """
    for _ in range(_TRIES):
        found = find_object(connection, wanted)
        if isinstance(found, Report):
            return found
        try:
            answer = _try(connection, wanted, found, wish)
        except ApiError as error:
            if error.status != 409:
                return failed(wanted, found.served, error)
        else:
            return answer
    return report(wanted, Standing.FAILED, "it changes faster than it can be applied")


def _try(connection: Connection, wanted: ApplyConfiguration, found: Found, wish: Wish) -> Report:
    """Once, for the object as it was found.

    Raises:
        ApiError: the server said no; 409 when the object is another one by now.
    """
    live, served = found.live, found.served
    if not any(_changes(live, wanted.fields)):
        return report(wanted, Standing.UNCHANGED)
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
        return report(wanted, Standing.CONFLICT, told)
    if isinstance(outcome, _Conflicts):
        if force and not wish.force:
            return report(wanted, Standing.CONFLICT, _tell(outcome, _ADVICE), changes, owned_by)
        body = _body(wanted, found, fields, holds)
        outcome = connection.apply(served, body, force=force, dry_run=True)
    wrong = _unwanted(live, outcome, fields, holds)
    if wrong:
        return report(wanted, Standing.REFUSED, wrong, changes, owned_by)
    if wish.dry_run:
        return report(wanted, Standing.WOULD_CHANGE, told, changes, owned_by)
    connection.apply(served, body, force=force, dry_run=False)
    return report(wanted, Standing.APPLIED, told, changes, owned_by)


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
    found: Found,
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


def _changes(live: Object, fields: Iterable[ManagedField]) -> Iterable[FieldChange]:
    for one in fields:
        before = value_at(live, one.path)
        if before != one.value:
            yield FieldChange(dotted(one.path), before, one.value)


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
