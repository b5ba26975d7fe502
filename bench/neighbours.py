"""From a Router Advertisement on the wire to the object in the API server, beside Flux and Argo CD.

The true controllers run (`.ci/neighbours` builds them), with their default intervals: they poll, they
are asked by an annotation, or they are called by a webhook. Each row has the daemon's share, which
ends with the commit on the remote. A way by polling takes minutes for one change, so it is measured
only where `--polls` asks for it:

    NEIGHBOURS=$(.ci/neighbours --cached) KUBEBUILDER_ASSETS=$(.ci/kubernetes) \\
      python -m bench.neighbours --changes 5 --polls 2
"""

import argparse
import itertools
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.cli.demo import ROUTER, advertisement
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.lab.router import Port
from gitops_prefix.watch.codec import in_ipv6
from tests import netns
from tests.apiserver import api_server
from tests.neighbours import argocd, flux
from tests.neighbours.definitions import prepare
from tests.neighbours.house import House, applied, house, pool

CHANGES = 5
_LONGEST = 420.0
_REST = 1.0
_SOURCE = "routerAdvertisement: {interface: eth0}"
_KUSTOMIZATION = (
    "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [pool.yaml]\n"
)


class Way(NamedTuple):
    """How a reconciler hears of a commit."""

    reconciler: str
    words: str
    polls: bool


class Took(NamedTuple):
    """Seconds after the advertisement: until the commit is on the remote, and the object is right."""

    commit: float
    live: float


WAYS = (
    Way("Flux", "polling, 1m", polls=True),
    Way("Flux", "reconcile request", polls=False),
    Way("Flux", "webhook", polls=False),
    Way("Argo CD", "polling", polls=True),
    Way("Argo CD", "reconcile request", polls=False),
)


def main(directory: Path, changes: int = CHANGES, polls: int = 0) -> None:
    """A row for each way.

    Args:
        directory: for all files.
        changes: of the prefix, by each way that is fast.
        polls: changes by each way that polls.
    """
    needed = {"Flux": ["source-controller", "kustomize-controller", "notification-controller"], "Argo CD": ["argocd"]}  # fmt: skip
    folder = Path(os.environ.get("NEIGHBOURS", "/nowhere"))
    if os.geteuid() != 0 or not folder.exists():
        print("neighbours: not measured (needs root and NEIGHBOURS, as .ci/neighbours prints it)")
        return
    with netns.lab() as lab, ExitStack() as stack:
        with lab.router.inside():
            port = Port(lab.router.link)
        stack.callback(port.close)
        # All else is the node's, also what this thread starts.
        stack.enter_context(lab.node.inside())
        cluster = stack.enter_context(api_server(directory / "api"))
        prepare(cluster)
        for number, way in enumerate(WAYS):
            missing = [name for name in needed[way.reconciler] if not (folder / name).exists()]
            count = polls if way.polls else changes
            if missing or not count:
                words = f"{missing[0]} is missing" if missing else "--polls asks for it"
                print(f"- {way.reconciler}, {way.words}: not measured ({words})")
                continue
            where = directory / str(number)
            where.mkdir()
            cluster.kubectl("create", "namespace", f"way-{number}")
            home = house(cluster, f"way-{number}", where, _files(way, number), source=_SOURCE)
            with home as made:
                rows = [*_rounds(way, made, f"lan-{number}", port, count)]
            commits, lives = zip(*rows, strict=True)
            print(
                f"- {way.reconciler}, {way.words}: advertisement to object, median "
                f"{statistics.median(lives):.1f} s ({min(lives):.1f} to {max(lives):.1f}), of which the "
                f"daemon's share {statistics.median(commits):.2f} s ({len(rows)} changes)"
            )


def _files(way: Way, number: int) -> dict[str, str]:
    files = {"network/pool.yaml": pool(f"lan-{number}")}
    if way.reconciler == "Flux":
        files["network/kustomization.yaml"] = _KUSTOMIZATION
    return files


def _rounds(way: Way, home: House, name: str, port: Port, count: int) -> Iterator[Took]:
    prefixes = (Prefix.parse(f"2001:db8:{number:x}::/64") for number in itertools.count(1))
    with ExitStack() as stack:
        words = stack.enter_context(_reconciler(way, home))
        # No direct apply: this is the ordinary way.
        stack.enter_context(home.daemon(*words, "--apply", "never"))
        home.sees(lambda: "is up" in home.log.read_text(), "a daemon that listens")

        def renumber() -> Took:
            prefix = next(prefixes)
            packet = in_ipv6(advertisement([prefix]), source=ROUTER)
            before = home.head()
            began = time.perf_counter()
            port.send(packet)
            commit = _seconds(began, lambda: home.head() != before)
            live = _seconds(began, lambda: home.first(name) == str(prefix))
            time.sleep(_REST)
            return Took(commit, live)

        # The first has to find the router, and makes the object.
        renumber()
        for _ in range(count):
            yield renumber()


def _seconds(began: float, condition: Callable[[], bool]) -> float:
    while not condition():
        if time.perf_counter() - began > _LONGEST:
            raise SystemExit(f"not within {_LONGEST:g} s")
        time.sleep(0.02)
    return time.perf_counter() - began


@contextmanager
def _reconciler(way: Way, home: House) -> Iterator[list[str]]:
    """What the daemon is called with, while the reconciler runs."""
    with ExitStack() as stack:
        if way.reconciler == "Argo CD":
            argocd.set_up(home, {"network": {}})
            stack.callback(argocd.take_down, home)
            stack.enter_context(argocd.argocd(home))
            asked = ["--request-reconcile", f"application:{argocd.NAMESPACE}/network"]
            yield [] if way.polls else asked
            return
        flux.set_up(home, {"network": {}}, interval="1m" if way.polls else "10m")
        stack.enter_context(flux.flux(home))
        if way.words == "webhook":
            yield _receiver(home, stack.enter_context(flux.notification_controller(home)))
        elif way.polls:
            yield []
        else:
            yield ["--request-reconcile", f"gitrepository:{home.namespace}/home"]


def _receiver(home: House, url: str) -> list[str]:
    token = secrets.token_hex(16)
    (home.directory / "token").write_text(token)
    where = {"namespace": home.namespace, "name": "receiver"}
    resources = [{"kind": "GitRepository", "name": "home"}]
    spec = {"type": "generic-hmac", "secretRef": {"name": "receiver"}, "resources": resources}
    applied(
        home.cluster,
        {"apiVersion": "v1", "kind": "Secret", "metadata": where, "stringData": {"token": token}},
        {"apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Receiver", "metadata": where, "spec": spec},
    )  # fmt: skip
    path = f"/apis/notification.toolkit.fluxcd.io/v1/namespaces/{home.namespace}/receivers/receiver"

    def webhook() -> str:
        return (home.find(path) or {}).get("status", {}).get("webhookPath", "")

    home.sees(webhook, "the Receiver's path")
    return [
        "--notify",
        f"flux={url}{webhook()}",
        "--notify-secret-file",
        str(home.directory / "token"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=CHANGES)
    parser.add_argument("--polls", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gitops-prefix-bench-") as scratch:
        main(Path(scratch), chosen.changes, chosen.polls)
