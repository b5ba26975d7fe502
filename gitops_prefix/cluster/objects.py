"""The object in the cluster that a file means, or why there is none to speak of."""

from dataclasses import dataclass

from gitops_prefix.cluster.api_object import Object
from gitops_prefix.cluster.connection import ApiError, Connection, Served
from gitops_prefix.cluster.permission import missing_rule
from gitops_prefix.direct.configuration import ApplyConfiguration
from gitops_prefix.direct.report import FieldChange, Report, Standing
from gitops_prefix.render.reference import NAME


@dataclass(frozen=True, slots=True)
class Found:
    """An object as it is now, and its kind."""

    served: Served
    live: Object


def find_object(connection: Connection, wanted: ApplyConfiguration) -> Found | Report:
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
            return report(wanted, Standing.NOT_INSTALLED, words)
        namespace = wanted.namespace or (connection.namespace if served.namespaced else "")
        live = connection.get(served, wanted.name, namespace)
    except ApiError as error:
        return failed(wanted, served, error)
    if live is None:
        where = f"in namespace {namespace}" if namespace else "in the cluster"
        return report(wanted, Standing.MISSING, f"is not {where}; it is not made here")
    if served.namespaced and not wanted.namespace:
        annotations = live["metadata"].get("annotations") or {}
        if not wanted.follows or annotations.get(NAME) != wanted.follows:
            words = (
                f"the file names no namespace, and the one in {namespace} does not carry "
                f'{NAME}: "{wanted.follows}": write the namespace'
            )
            return report(wanted, Standing.ANOTHER, words)
    return Found(served, live)


def failed(wanted: ApplyConfiguration, served: Served | None, error: ApiError) -> Report:
    """What an answer of the API server means for an object."""
    if error.status == 403 and served is not None:
        return report(wanted, Standing.FORBIDDEN, missing_rule(served, str(error)))
    if error.status == 404:
        return report(wanted, Standing.MISSING, "is gone from the cluster")
    return report(wanted, Standing.FAILED, str(error))


def report(
    wanted: ApplyConfiguration,
    standing: Standing,
    message: str = "",
    changes: tuple[FieldChange, ...] = (),
    owners: tuple[str, ...] = (),
) -> Report:
    """What came of an object."""
    return Report(
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
