"""Cilium's own LB-IPAM acts on what we render: who holds which address after each change.

The proof is the status of the Services. LB-IPAM runs as its package has it
(tests/neighbours/lbipam), against the real API server.
"""

import json
import os
from collections import Counter
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from gitops_prefix.decide.prefix import Prefix
from tests.git_servers import start_here
from tests.netns import until
from tests.parts import require
from tests.render.lists import POOL
from tests.render.repository import PREFIX, A, B, C, render_once

D = Prefix.parse("2001:db8:d::/64")
IPV4 = ip_network("192.168.42.0/24")
SERVICES = 20
_SECONDS = 60.0


@contextmanager
def lb_ipam(cluster, log: Path):
    """A running LB-IPAM."""
    program = Path(os.environ["NEIGHBOURS"]) / "lbipam"
    words = (str(program), "--k8s-kubeconfig-path", str(cluster.kubeconfig("admin")))
    with (
        log.open("w") as out,
        start_here(
            *words, "--k8s-client-qps=500", "--k8s-client-burst=500", stderr=out, stdout=out
        ),
    ):
        yield


class Home:
    """A repository with one pool, and a namespace of dual-stack Services."""

    def __init__(self, cluster, namespace: str, transition: str = "") -> None:
        self.cluster, self.namespace = cluster, namespace
        pool = POOL + "spec:\n  blocks:\n    - cidr: 192.168.42.0/24\n"
        self.files = {"home.yaml": PREFIX + transition.encode(), "pool.yaml": pool.encode()}
        self._hour = 0

    def renumber(self, prefix: Prefix) -> None:
        """Render the next prefix, and apply the pool as a reconciler does."""
        self._hour += 1
        rendering = render_once(self.files, prefix, self._hour)
        assert not [str(problem) for problem in rendering.problems]
        self.files |= rendering.files
        self.cluster.apply(self.files["pool.yaml"].decode(), manager="kustomize-controller")

    def add(self, *names: str) -> None:
        self.cluster.apply(
            *(
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": name, "namespace": self.namespace},
                    "spec": {
                        "type": "LoadBalancer",
                        "ipFamilyPolicy": "PreferDualStack",
                        "ports": [{"port": 80}],
                    },
                }
                for name in names
            )
        )

    def held(self) -> dict[str, list[str]]:
        """The addresses of each Service."""
        words = ("get", "services", "-n", self.namespace, "-o")
        line = r'jsonpath={range .items[*]}{.metadata.name}{range .status.loadBalancer.ingress[*]} {.ip}{end}{"\n"}{end}'
        rows = (row.split() for row in self.cluster.kubectl(*words, line).splitlines())
        return {name: addresses for name, *addresses in rows}

    def on(self, *prefixes: Prefix) -> Counter[str]:
        """How many Services have an address in each prefix, in IPv4, and in none."""
        names = {str(prefix): ip_network(str(prefix)) for prefix in prefixes} | {"IPv4": IPV4}
        found: Counter[str] = Counter()
        for addresses in self.held().values():
            places = [
                next((name for name, net in names.items() if ip_address(text) in net), text)
                for text in addresses
            ]
            found.update(places)
            found["without IPv6"] += not any(":" in text for text in addresses)
        return +found

    def settles(self, expected: dict[str, int]) -> None:
        until(
            lambda: self.on(A, B, C, D) == expected,
            f"{expected}, not {self.on(A, B, C, D)}",
            _SECONDS,
        )


def _serve_the_status_of_pools(cluster) -> None:
    """LB-IPAM writes its counts into the status of a pool, and stops where it cannot."""
    definition = "ciliumloadbalancerippools.cilium.io"
    versions = cluster.get("crd", definition)["spec"]["versions"]
    patch = [
        {"op": "add", "path": f"/spec/versions/{number}/subresources", "value": {"status": {}}}
        for number, _ in enumerate(versions)
    ]
    cluster.kubectl("patch", "crd", definition, "--type=json", "-p", json.dumps(patch))


@pytest.fixture
def home(cluster, namespace):
    require("lbipam")
    _serve_the_status_of_pools(cluster)
    home = Home(cluster, namespace)
    yield home
    cluster.kubectl("delete", "services", "--all", "-n", namespace)


def test_simple_reaches_the_current_prefix(home, tmp_path):
    """A, B, A, C, D: old Services keep what they have, new ones get the current prefix.

    At pruning all move to the current one. IPv4 stays, and a restart changes nothing.
    """
    names = [f"s{number:02}" for number in range(SERVICES)]
    with lb_ipam(home.cluster, tmp_path / "log"):
        home.renumber(A)
        home.add(*names)
        home.settles({str(A): SERVICES, "IPv4": SERVICES})
        ipv4 = {name: [a for a in held if "." in a] for name, held in home.held().items()}

        home.renumber(B)
        home.add("new-b")
        home.settles({str(A): SERVICES, str(B): 1, "IPv4": SERVICES + 1})

        home.renumber(A)
        home.add("new-a")
        home.settles({str(A): SERVICES + 1, str(B): 1, "IPv4": SERVICES + 2})

        home.renumber(C)
        home.add("new-c")
        home.settles({str(A): SERVICES + 1, str(B): 1, str(C): 1, "IPv4": SERVICES + 3})

        home.renumber(D)  # B leaves the history
        home.add("new-d")
        home.settles({str(A): SERVICES + 1, str(C): 1, str(D): 2, "IPv4": SERVICES + 4})
        before = home.held()
        assert {
            name: [a for a in held if "." in a] for name, held in before.items() if name in ipv4
        } == ipv4
    with lb_ipam(home.cluster, tmp_path / "again"):
        home.add("after-the-restart")
        until(
            lambda: home.held().get("after-the-restart"), "an address after the restart", _SECONDS
        )
        held = home.held()
        assert any(ip_address(a) in ip_network(str(D)) for a in held.pop("after-the-restart"))
        assert held == before
