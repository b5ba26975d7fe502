"""Argo CD acts on what we commit, and on what we apply while Git is away.

The same scenarios run against the true programs and against the stand-in.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.neighbours.argocd import (
    TRUSTS,
    argocd,
    argocd_stand_in,
    child,
    set_up,
    sync_by_hand,
    synced_at,
    take_down,
)
from tests.neighbours.house import POOLS, A, B, C, House, house, pool, service
from tests.neighbours.place import both
from tests.parts import require

NEIGHBOURS = both(argocd, argocd_stand_in)


def needs(started, *more: str) -> None:
    require("cluster", "ssh", *more, *(("argocd", "redis") if started is argocd else ()))


@contextmanager
def running(
    neighbourhood, space, directory, files, names, started, **where
) -> Iterator[tuple[House, Callable[[], None]]]:
    """A house beside Argo CD, and what gives the stand-in its turns."""
    with house(neighbourhood, space, directory, files, **where) as home:
        set_up(home, names)
        try:
            with started(home) as neighbour:
                yield home, neighbour.turn
        finally:
            take_down(home)


def asks(*names: str) -> list[str]:
    return [
        word for name in names for word in ("--request-reconcile", f"application:argocd/{name}")
    ]


def network(space: str) -> dict[str, str]:
    """A pool and a Service."""
    return {"network/pool.yaml": pool("lan"), "network/service.yaml": service(space)}


def applies_b_directly(home: House, turn: Callable[[], None], *names: str) -> None:
    """The next prefix comes while Git is away."""
    home.renumber(B)
    home.sees(
        lambda: home.held(home.service()) and all(home.first(name) == B for name in names),
        "B, applied directly",
        turn,
    )


@NEIGHBOURS
def test_an_outage_ends_without_a_step_back(neighbourhood, space, tmp_path, started):
    """Health changes in the outage and at the return make Argo CD compare; nothing old comes back.

    A SIGKILL in the outage, and one more renumbering right after the return.
    """
    needs(started)
    files = network(space)
    with running(neighbourhood, space, tmp_path, files, {"network": {}}, started) as (home, turn):
        flips = 0

        def flip() -> None:
            """The Service gets an address, or loses it: to Argo CD its health changes."""
            nonlocal flips
            flips += 1
            ingress = [{"ip": f"192.168.42.{flips % 200}"}] if flips % 2 else []
            path = f"/api/v1/namespaces/{space}/services/plex/status"
            home.merge(path, {"status": {"loadBalancer": {"ingress": ingress}}})
            turn()

        with home.daemon(*asks("network")) as daemon:
            home.published(A)
            home.sees(lambda: home.agrees(A, "lan") and home.service(), "A in the cluster", turn)
            home.git_goes_away()
            applies_b_directly(home, turn, "lan")
            before = flips
            with (
                neighbourhood.watch("ciliumloadbalancerippools", "lan") as pools,
                neighbourhood.watch("services", "plex", space) as services,
            ):
                home.sees(lambda: flips > before + 20, "events", flip)
                home.kill(daemon)
                home.git_comes_back()
                with home.daemon(*asks("network")):
                    home.published(B)
                    home.renumber(C)
                    home.published(C)
                    home.sees(
                        lambda: home.agrees(C, "lan") and not home.held(home.service()),
                        "C, and no field of ours",
                        flip,
                    )
                    home.sees(lambda: synced_at(home, "network", home.head()), "in sync", turn)
        blocks = [live["spec"]["blocks"][0]["start"] for live in pools]
        ips = [live["metadata"]["annotations"]["lbipam.cilium.io/ips"] for live in services]
        assert steps(blocks) == ["2001:db8:b:0:f000::", "2001:db8:c:0:f000::"]
        newest = [text.partition(",")[0] for text in ips]
        assert steps(newest) == ["2001:db8:b:0:f000::10", "2001:db8:c:0:f000::10"]


@NEIGHBOURS
def test_a_plain_directory_does_not_send_the_dynamic_prefix(
    neighbourhood, space, tmp_path, started
):
    """With the hook annotation that `init` writes; all else of the directory is applied."""
    needs(started, "every-scenario")
    files, where = {"plain/pool.yaml": pool("plain")}, "plain/prefix.yaml"
    with (
        running(neighbourhood, space, tmp_path, files, {"plain": {}}, started, home=where) as (
            home,
            turn,
        ),
        home.daemon(*asks("plain")),
    ):
        home.published(A)
        home.sees(lambda: home.agrees(A, "plain"), "A in the cluster", turn)
        home.sees(lambda: synced_at(home, "plain", home.head()), "in sync", turn)
        assert home.find("/apis/dynamic-prefix.io/v1alpha1/dynamicprefixes/home") is None


@NEIGHBOURS
def test_an_object_that_fails_holds_the_prefix_up_until_it_is_mended(
    neighbourhood, space, tmp_path, started
):
    """With `retry.refresh` the next try takes the commit that mends it."""
    needs(started, "every-scenario")
    broken = (
        f'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: "not A name", namespace: {space}}}\n'
    )
    files = {
        "network/pool.yaml": pool("lan"),
        "network/other.yaml": broken.replace("not A name", "other"),
    }
    names = {"network": {}}
    with (
        running(neighbourhood, space, tmp_path, files, names, started) as (home, turn),
        home.daemon(*asks("network")),
    ):
        home.published(A)
        home.sees(lambda: home.agrees(A, "lan"), "A in the cluster", turn)
        home.edit("network/other.yaml", lambda _: broken)
        home.renumber(B)
        home.published(B)
        home.sees(lambda: not synced_at(home, "network", home.head()), "a failure", turn)
        assert home.first("lan") == A
        home.edit("network/other.yaml", lambda text: text.replace("not A name", "other"))
        home.renumber(C)
        home.published(C)
        home.sees(lambda: home.agrees(C, "lan"), "C in the cluster", turn)


@NEIGHBOURS
def test_below_an_application_of_applications_nothing_is_put_back(
    neighbourhood, space, tmp_path, started
):
    """Both heal themselves. In the outage one object is deleted, and a finalizer keeps another."""
    needs(started, "every-scenario")
    names = ("lan", "dying", "missing")
    files = {f"network/{name}.yaml": pool(name) for name in names}
    files["network/service.yaml"] = service(space)
    files["root/pool.yaml"] = pool("root")
    with running(neighbourhood, space, tmp_path, files, {"root": {}}, started) as (home, turn):
        home.edit("root/network.yaml", lambda _: child(home, "network"))
        with home.daemon(*asks("network", "root")):
            home.published(A)
            home.sees(lambda: home.agrees(A, *names) and home.service(), "A in the cluster", turn)
            home.git_goes_away()
            home.merge(f"{POOLS}/dying", {"metadata": {"finalizers": ["example.com/wait"]}})
            home.delete("dying")
            applies_b_directly(home, turn, *names)
            home.delete("missing")
            home.git_comes_back()
            home.published(B)
            home.sees(
                lambda: home.agrees(B, *names, "root") and not home.held(home.service()),
                "B everywhere, and no field of ours",
                turn,
            )
            home.merge(f"{POOLS}/dying", {"metadata": {"finalizers": None}})
            home.renumber(C)
            home.published(C)
            home.sees(lambda: home.agrees(C, *names), "C, the last one made anew", turn)
            home.sees(lambda: synced_at(home, "network", home.head()), "in sync", turn)


@NEIGHBOURS
def test_without_automated_sync_an_outage_ends_too(neighbourhood, space, tmp_path, started):
    """What is applied directly is released when Argo CD has looked; the rest waits for a person."""
    needs(started, "every-scenario")
    files = network(space)
    by_hand = {"syncPolicy": {"syncOptions": TRUSTS["syncPolicy"]["syncOptions"]}}
    with (
        running(neighbourhood, space, tmp_path, files, {"network": by_hand}, started) as (
            home,
            turn,
        ),
        home.daemon(*asks("network")),
    ):
        home.published(A)
        home.sees(lambda: "no automated sync" in home.log.read_text(), "the words", turn)
        assert home.pool("lan") is None
        sync_by_hand(home, "network")
        home.sees(lambda: home.agrees(A, "lan") and home.service(), "A, synced by hand", turn)
        home.git_goes_away()
        applies_b_directly(home, turn, "lan")
        home.git_comes_back()
        home.published(B)
        home.sees(
            lambda: home.agrees(B, "lan") and not home.held(home.service()), "B, released", turn
        )
        home.renumber(C)
        home.published(C)
        home.sees(lambda: not synced_at(home, "network", home.head()), "C waits", turn)
        assert home.agrees(B, "lan")
        sync_by_hand(home, "network")
        home.sees(lambda: home.agrees(C, "lan"), "C, synced by hand", turn)


def steps(seen: list[str]) -> list[str]:
    """Without repetitions."""
    return [value for number, value in enumerate(seen) if not number or seen[number - 1] != value]
