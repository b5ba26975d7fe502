"""The files of `manifests` as live objects: applied as a reconciler does, read, and compared."""

from datetime import UTC, datetime

from gitops_prefix.apply.fields import ApplyConfiguration, ObjectReport
from gitops_prefix.apply.kube import Connection
from gitops_prefix.apply.kube_apply import release_object
from gitops_prefix.apply.protocol import ReleaseObjects, Wish
from gitops_prefix.render.node import value_at
from tests.apiserver import ApiServer
from tests.apply.manifests import EVERY_KIND, A, rendered

HELD = {"kustomize.toolkit.fluxcd.io/name": "apps"}
RECONCILER = "kustomize-controller"
RESOURCES = {
    "pool.yaml": "ciliumloadbalancerippools",
    "group.yaml": "ciliumcidrgroups",
    "bgp.yaml": "ciliumbgpadvertisements",
    "service.yaml": "services",
    "metallb.yaml": "ipaddresspools",
    "calico.yaml": "ippools.projectcalico.org",
    "variables.yaml": "configmaps",
    "marked.yaml": "helmreleases",
}
BEFORE = dict.fromkeys(EVERY_KIND, (A,)) | {"bgp.yaml": ()}
"""What each saw first; a community does not change with the prefix, so that one saw none."""
OURS = {"managedFields", "resourceVersion", "generation"}
FALLBACK = Wish(force=True)


def connect(cluster: ApiServer, user: str = "admin") -> Connection:
    return Connection(str(cluster.kubeconfig(user)))


def sync(
    cluster: ApiServer,
    namespace: str,
    files: dict[str, str],
    *prefixes: str,
    manager: str = RECONCILER,
) -> None:
    """As a reconciler does: apply what the repository holds."""
    contents = rendered(files, namespace, *prefixes)
    texts = [content.decode() for path, content in contents.items() if path != "prefix.yaml"]
    cluster.apply(*texts, manager=manager, force=True)


def look(cluster: ApiServer, namespace: str, path: str, name: str) -> dict:
    return cluster.get(RESOURCES[path], name, namespace)


def without(live: dict, paths: list[tuple]) -> dict:
    """An object without its managed fields, and what the server counts."""
    metadata = {key: one for key, one in live["metadata"].items() if key not in OURS}
    live = {**live, "metadata": metadata}
    for path in paths:
        holder = value_at(live, path[:-1])
        holder.pop(path[-1], None)
    return live


def release(
    connection: Connection, wanted: ApplyConfiguration, commit: str = "", **options
) -> ObjectReport:
    """Release one object at noon."""
    question = ReleaseObjects((wanted,), commit=commit, **options)
    return release_object(
        connection, wanted, question, lambda: datetime(2026, 11, 24, 12, tzinfo=UTC)
    )
