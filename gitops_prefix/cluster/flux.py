"""Whether Flux has applied a commit: only then is an object that we held let go.

Before that it would put the old value back, until it fetches. fluxcd.io, "Kustomization",
"Last applied revision".
"""

from gitops_prefix.cluster.api_object import Object
from gitops_prefix.cluster.connection import ApiError, Connection

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
