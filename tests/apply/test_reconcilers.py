"""What becomes of a directly applied field beside Flux and Argo CD: the tables of docs/direct-apply.md.

The reconcilers are stand-ins (`reconcilers.py`); the API server and its field ownership are real.
"""

from copy import deepcopy

import pytest
from ruamel.yaml import YAML

from gitops_prefix.apply.fields import ObjectResult
from gitops_prefix.apply.kube import Connection
from gitops_prefix.apply.kube_apply import apply_object
from gitops_prefix.apply.protocol import Wish
from tests.apply.live import release
from tests.apply.manifests import POOL, SERVICE, A, B, configurations, rendered
from tests.apply.reconciler_rows import ARGOCD_ROWS, FLUX_ROWS
from tests.apply.reconcilers import RECONCILE, ArgoCD, Flux
from tests.gitrepo import ROOT

POOLS = "ciliumloadbalancerippools"
IPS = "lbipam.cilium.io/ips"


def manifest(path: str, text: str, namespace: str, *prefixes: str) -> dict:
    """An object as the repository holds it, for these prefixes."""
    return YAML(typ="safe").load(rendered({path: text}, namespace, *prefixes)[path])


class Cluster:
    """A pool and a Service, as Git has them for A and for B, and as the cluster has them."""

    def __init__(self, cluster, namespace: str, **annotations: str) -> None:
        self.server, self.namespace = cluster, namespace
        self.connection = Connection(str(cluster.kubeconfig("admin")))
        self.annotations = annotations

    def git(self, *prefixes: str) -> dict:
        pool = manifest("pool.yaml", POOL, self.namespace, *prefixes)
        pool["metadata"]["annotations"] |= self.annotations
        return pool

    def apply_directly(self, *, force: bool = True) -> ObjectResult:
        (wanted,) = configurations({"pool.yaml": POOL}, self.namespace, A, B)
        return apply_object(self.connection, wanted, Wish(force=force)).result

    def release(self) -> None:
        (wanted,) = configurations({"pool.yaml": POOL}, self.namespace, A, B)
        release(self.connection, wanted)

    @property
    def blocks(self) -> list:
        return self.server.get(POOLS, "lan")["spec"]["blocks"]

    def holds(self, *prefixes: str) -> bool:
        return self.blocks == self.git(*prefixes)["spec"]["blocks"]


@pytest.mark.parametrize(
    ("annotations", "suspended", "stays", "comes"), FLUX_ROWS.values(), ids=FLUX_ROWS
)
def test_flux_without_our_hold(cluster, namespace, annotations, suspended, stays, comes):
    """Git still says A; the field says B. What keeps it, keeps Git's next value out as well."""
    pool = Cluster(cluster, namespace)
    Flux(cluster).reconcile(POOLS, pool.git(A))
    # By another name than ours no hold is set, as by a person.
    cluster.apply({**pool.git(A, B), "metadata": {"name": "lan"}}, manager="somebody", force=True)
    pool.annotations = annotations
    flux = Flux(cluster, suspended)
    flux.reconcile(POOLS, pool.git(A))
    assert pool.holds(A, B) is stays
    flux.reconcile(POOLS, pool.git())
    assert pool.holds() is comes


def test_flux_is_held_for_the_time_and_then_brings_gits_value(cluster, namespace):
    pool, flux = Cluster(cluster, namespace), Flux(cluster)
    flux.reconcile(POOLS, pool.git(A))
    assert pool.apply_directly() is ObjectResult.APPLIED
    assert cluster.get(POOLS, "lan")["metadata"]["annotations"][RECONCILE] == "disabled"
    flux.reconcile(POOLS, pool.git(A))
    assert pool.holds(A, B), "Git's old value came back"
    pool.release()
    flux.reconcile(POOLS, pool.git(A, B))
    assert pool.holds(A, B)
    assert "gitops-prefix" not in cluster.managers(POOLS, "lan")
    flux.reconcile(POOLS, pool.git())
    assert pool.holds(), "Git's next value did not come"


def test_flux_leaves_an_annotation_that_git_does_not_have(cluster, namespace):
    """A Service's annotations are granular: who does not name one has no opinion of it."""
    service = manifest("service.yaml", SERVICE, namespace, A)
    bare = deepcopy(service)
    del bare["metadata"]["annotations"][IPS]
    flux = Flux(cluster)
    flux.reconcile("services", bare, namespace)
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "plex"}}
    theirs["metadata"] |= {"namespace": namespace, "annotations": {IPS: "2001:db8::1"}}
    cluster.apply(theirs, manager="gitops-prefix")
    flux.reconcile("services", bare, namespace)
    assert (
        cluster.get("services", "plex", namespace)["metadata"]["annotations"][IPS] == "2001:db8::1"
    )
    flux.reconcile("services", service, namespace)
    assert (
        cluster.get("services", "plex", namespace)["metadata"]["annotations"][IPS] != "2001:db8::1"
    )


@pytest.mark.parametrize(
    ("ignored", "options", "looks", "syncs", "comes"), ARGOCD_ROWS.values(), ids=ARGOCD_ROWS
)
def test_argocd(cluster, namespace, ignored, options, looks, syncs, comes):
    pool = Cluster(cluster, namespace)
    spec = {"ignoreDifferences": ignored, "syncPolicy": {"syncOptions": options}}
    argocd = ArgoCD(cluster, spec)
    argocd.reconcile(POOLS, pool.git(A))
    assert pool.apply_directly() is ObjectResult.APPLIED
    argocd.reconcile(POOLS, pool.git(A))
    assert pool.holds(A, B) is looks
    argocd.sync(POOLS, pool.git(A))
    assert pool.holds(A, B) is syncs
    pool.release()
    argocd.reconcile(POOLS, pool.git())
    assert pool.holds() is comes


@pytest.mark.parametrize("name", ["network", "apps"])
def test_the_application_of_the_example_keeps_the_field_and_lets_git_in(cluster, namespace, name):
    path = ROOT / "examples" / "argocd" / "argocd" / f"{name}.yaml"
    argocd = ArgoCD(cluster, YAML(typ="safe").load(path)["spec"])
    pool = Cluster(cluster, namespace)
    argocd.reconcile(POOLS, pool.git(A))
    pool.apply_directly()
    for step in (argocd.reconcile, argocd.sync):
        step(POOLS, pool.git(A))
        assert pool.holds(A, B)
    pool.release()
    argocd.reconcile(POOLS, pool.git())
    assert pool.holds()


def test_whoever_else_owns_the_field_keeps_it(cluster, namespace):
    """Neither is a person's field taken over, nor is what a person wrote to be guessed."""
    pool = Cluster(cluster, namespace)
    cluster.apply(pool.git(A), manager="somebody")
    assert pool.apply_directly() is ObjectResult.CONFLICT
    assert pool.holds(A)
