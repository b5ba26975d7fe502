"""Flux acts on what we commit, and on what we apply while Git is away.

The same scenarios run against the true controllers and against the stand-in.
"""

from tests.neighbours.flux import (
    REQUESTED,
    flux,
    flux_stand_in,
    kustomization_path,
    ready_at,
    set_up,
)
from tests.neighbours.house import POOLS, A, B, C, House, house, pool, service
from tests.neighbours.place import both
from tests.parts import require

NEIGHBOURS = both(flux, flux_stand_in)


def needs(started, *more: str) -> None:
    require("cluster", "ssh", *more, *(("flux",) if started is flux else ()))


def kustomization(*resources: str, more: str = "") -> str:
    listed = ", ".join(resources)
    return f"kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\nresources: [{listed}]\n{more}"


def repository(namespace: str) -> dict[str, str]:
    return {
        "network/kustomization.yaml": kustomization("pool.yaml", "service.yaml"),
        "network/pool.yaml": pool("lan"),
        "network/service.yaml": service(namespace),
    }


def asks(home: House) -> list[str]:
    return ["--request-reconcile", f"gitrepository:{home.namespace}/home"]


@NEIGHBOURS
def test_an_outage_ends_with_what_the_branch_has(neighbourhood, space, tmp_path, started):
    """A SIGKILL and forced reconciles in the outage, a person's edit of a held object.

    The prefix changes once more as soon as Git is back.
    """
    needs(started)
    with (
        house(neighbourhood, space, tmp_path, repository(space)) as home,
        started(home) as neighbour,
    ):
        set_up(home, {"network": {}})
        with home.daemon(*asks(home)) as daemon:
            home.published(A)
            home.sees(
                lambda: home.agrees(A, "lan") and home.service(),
                "A in the cluster",
                neighbour.turn,
            )
            home.git_goes_away()
            home.renumber(B)
            home.sees(
                lambda: home.first("lan") == B and home.held(home.pool("lan")),
                "B, applied directly",
                neighbour.turn,
            )
            path = kustomization_path(home, "network")
            home.annotate(path, REQUESTED, "now")
            home.sees(
                lambda: home.find(path)["status"].get("lastHandledReconcileAt") == "now",
                "a reconcile",
                neighbour.turn,
            )
            assert home.first("lan") == B, "Flux put Git's old value back"
            home.kill(daemon)
        home.edit(
            "network/pool.yaml",
            lambda text: text + "  serviceSelector: {matchLabels: {pool: lan}}\n",
        )
        home.git_comes_back()
        with home.daemon(*asks(home)):
            home.published(B)
            home.renumber(C)
            home.published(C)
            home.sees(
                lambda: home.agrees(C, "lan") and not home.held(home.service()),
                "C, and no hold",
                neighbour.turn,
            )
            home.sees(
                lambda: "serviceSelector" in home.pool("lan")["spec"],
                "the person's edit",
                neighbour.turn,
            )
            home.sees(
                lambda: ready_at(home, "network", home.head()),
                "Flux at the branch's commit",
                neighbour.turn,
            )
            ips = home.service()["metadata"]["annotations"]["lbipam.cilium.io/ips"].split(",")
            assert ips == ["2001:db8:c:0:f000::10", "2001:db8:b:0:f000::10", "2001:db8:a:0:f000::10", "192.168.42.10"]  # fmt: skip
            managed = {
                m["manager"]: m["fieldsV1"] for m in home.pool("lan")["metadata"]["managedFields"]
            }
            assert "f:blocks" in managed["kustomize-controller"]["f:spec"]


@NEIGHBOURS
def test_what_is_deleted_while_it_is_held_stays_and_is_reported(
    neighbourhood, space, tmp_path, started
):
    """Flux does not prune what is held, and does not come back to it."""
    needs(started, "every-scenario")
    files = repository(space) | {"network/gone.yaml": pool("gone")}
    files["network/kustomization.yaml"] = kustomization("pool.yaml", "service.yaml", "gone.yaml")
    with house(neighbourhood, space, tmp_path, files) as home, started(home) as neighbour:
        set_up(home, {"network": {"force": True}})
        with home.daemon(*asks(home)):
            home.published(A)
            home.sees(lambda: home.agrees(A, "lan", "gone"), "A in the cluster", neighbour.turn)
            home.git_goes_away()
            home.renumber(B)
            home.sees(lambda: home.first("gone") == B, "B, applied directly", neighbour.turn)
            home.edit("network/kustomization.yaml", lambda text: text.replace(", gone.yaml", ""))
            home.edit("network/gone.yaml", None)
            home.git_comes_back()
            home.published(B)
            home.sees(
                lambda: ready_at(home, "network", home.head()), "Flux at the commit", neighbour.turn
            )
            home.sees(lambda: home.agrees(B, "lan", "gone"), "no hold", neighbour.turn)
            home.sees(lambda: "kubectl delete" in home.log.read_text(), "the error", neighbour.turn)


@NEIGHBOURS
def test_a_refused_push_is_no_outage(neighbourhood, space, tmp_path, started):
    """Nothing is applied directly, nothing is held, and a person's commit is applied."""
    needs(started, "every-scenario")
    with (
        house(neighbourhood, space, tmp_path, repository(space)) as home,
        started(home) as neighbour,
    ):
        set_up(home, {"network": {}})
        with home.daemon(*asks(home), "--interval", "2s"):
            home.published(A)
            home.sees(lambda: home.agrees(A, "lan"), "A in the cluster", neighbour.turn)
            home.refuse()
            home.renumber(B)
            home.sees(lambda: "GH006" in home.log.read_text(), "the server's words", neighbour.turn)
            label = "  serviceSelector: {matchLabels: {pool: lan}}\n"
            home.edit("network/pool.yaml", lambda text: text + label)
            home.sees(
                lambda: "serviceSelector" in home.pool("lan")["spec"],
                "the person's edit",
                neighbour.turn,
            )
            assert home.agrees(A, "lan")
            home.accept()
            home.sees(lambda: home.agrees(B, "lan"), "B in the cluster", neighbour.turn)


@NEIGHBOURS
def test_each_kind_of_kustomization_follows(neighbourhood, space, tmp_path, started):
    """With `force`, without `prune`, with a namePrefix, and one that is suspended meanwhile.

    What kustomize renames is not found, so an outage changes nothing there; Git brings the value.
    """
    needs(started, "every-scenario")
    files = {"prefixed/kustomization.yaml": kustomization("pool.yaml", more="namePrefix: x-\n")}
    files["prefixed/pool.yaml"] = pool("prefixed")
    for name in ("forced", "kept", "paused"):
        files[f"{name}/kustomization.yaml"] = kustomization("pool.yaml")
        files[f"{name}/pool.yaml"] = pool(name)
    specs = {"forced": {"force": True}, "kept": {"prune": False}, "prefixed": {}, "paused": {}}
    names = ("forced", "kept", "x-prefixed", "paused")
    with house(neighbourhood, space, tmp_path, files) as home, started(home) as neighbour:
        set_up(home, specs)
        with home.daemon(*asks(home)):
            home.published(A)
            home.sees(lambda: home.agrees(A, *names), "A in the cluster", neighbour.turn)
            paused = kustomization_path(home, "paused")
            home.merge(paused, {"spec": {"suspend": True}})
            home.git_goes_away()
            home.renumber(B)
            home.sees(
                lambda: all(home.first(n) == B for n in ("forced", "kept", "paused")),
                "B, applied directly",
                neighbour.turn,
            )
            assert home.first("x-prefixed") == A
            home.git_comes_back()
            home.published(B)
            home.sees(lambda: home.agrees(B, *names), "B everywhere, and no hold", neighbour.turn)
            home.renumber(C)
            home.published(C)
            home.sees(lambda: home.agrees(C, "forced", "kept", "x-prefixed"), "C", neighbour.turn)
            assert home.first("paused") == B
            home.merge(paused, {"spec": {"suspend": False}})
            home.sees(lambda: home.agrees(C, *names), "C once it is resumed", neighbour.turn)


@NEIGHBOURS
def test_what_is_deleted_or_about_to_be_comes_back_with_the_next_commit(
    neighbourhood, space, tmp_path, started
):
    """In an outage: one before it is held, one while it is held, and one that a finalizer keeps."""
    needs(started, "every-scenario")
    names = ("lan", "missing", "deleted", "dying")
    files = {f"network/{name}.yaml": pool(name) for name in names}
    files["network/kustomization.yaml"] = kustomization(*(f"{name}.yaml" for name in names))
    with house(neighbourhood, space, tmp_path, files) as home, started(home) as neighbour:
        set_up(home, {"network": {}})
        with home.daemon(*asks(home)):
            home.published(A)
            home.sees(lambda: home.agrees(A, *names), "A in the cluster", neighbour.turn)
            home.git_goes_away()
            home.merge(f"{POOLS}/dying", {"metadata": {"finalizers": ["example.com/wait"]}})
            home.delete("dying", "missing")
            home.renumber(B)
            home.sees(
                lambda: all(home.first(name) == B for name in ("lan", "deleted", "dying")),
                "B, applied directly",
                neighbour.turn,
            )
            assert home.pool("missing") is None
            home.delete("deleted")
            home.git_comes_back()
            home.published(B)
            home.sees(lambda: home.agrees(B, *names), "B everywhere, and no hold", neighbour.turn)
            home.merge(f"{POOLS}/dying", {"metadata": {"finalizers": None}})
            home.renumber(C)
            home.published(C)
            home.sees(lambda: home.agrees(C, *names), "C, the last one made anew", neighbour.turn)
