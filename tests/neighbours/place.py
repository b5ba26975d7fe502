"""A repository, the API server that a reconciler would bring it to, and who holds which address.

A neighbour acts on the API server: a true program, by itself, or a stand-in, when it is given a turn.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import Any, Protocol

import pytest

from gitops_prefix.apply.kube import Connection
from gitops_prefix.decide.prefix import Prefix
from tests.apiserver import ApiServer
from tests.git_servers import start_here
from tests.netns import until
from tests.render.lists import POOL
from tests.render.repository import PREFIX, render_once

SECONDS = 90.0
_numbers = itertools.count(1)


class Neighbour(Protocol):
    """Somebody who acts on the API server."""

    def turn(self) -> None:
        """Act once; a true program acts by itself."""


HA = PREFIX.decode() + "  transition: {mode: ha}\n"
BLOCKS = POOL + "spec:\n  blocks:\n    - cidr: 192.168.42.0/24\n"
"""A pool with a block of its author's."""


def both(true: Any, stand_in: Any) -> Any:
    """Run a scenario beside the true program and beside the stand-in; `started` starts it."""
    return pytest.mark.parametrize("started", [true, stand_in], ids=["true", "stand-in"])


class Place:
    """A repository and a namespace.

    Attributes:
        files: the repository, by path.
        warnings: codes of the warnings of the last rendering.
    """

    def __init__(self, cluster: ApiServer, namespace: str, files: Mapping[str, str]) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.files = {path: text.encode() for path, text in files.items()}
        self.warnings: set[str] = set()
        self.connection = Connection(str(cluster.kubeconfig("admin")))
        self._hour = 0

    def renumber(self, prefix: Prefix) -> None:
        """Render the next prefix into the repository; nothing is applied."""
        self._hour += 1
        rendering = render_once(self.files, prefix, self._hour)
        assert not [str(found) for found in rendering.problems if found.severity == "error"]
        self.warnings = {found.code for found in rendering.problems}
        self.files |= rendering.files

    def apply(self, *paths: str) -> None:
        """Bring files to the cluster as a reconciler does; without paths all, pools first."""
        chosen = paths or sorted(
            set(self.files) - {"home.yaml"}, key=lambda path: "pool" not in path
        )
        texts = (self.files[path].decode() for path in chosen)
        self.cluster.apply(*texts, manager="kustomize-controller", force=True)

    def services(self) -> list[dict]:
        """As the API server has them, by name."""
        listed = self.connection.request("get", f"/api/v1/namespaces/{self.namespace}/services")
        return sorted(listed["items"], key=lambda service: service["metadata"]["name"])

    def held(self) -> dict[str, tuple[str, ...]]:
        """The addresses of each Service, in the order of its status."""
        return {service["metadata"]["name"]: addresses(service) for service in self.services()}

    def on(self, *prefixes: Prefix, ipv4: str = "192.168.42.0/24") -> Counter[str]:
        """How many Services have an address in each prefix, in IPv4, and no IPv6 at all."""
        places = {str(prefix): ip_network(str(prefix)) for prefix in prefixes}
        places["IPv4"] = ip_network(ipv4)
        found: Counter[str] = Counter()
        for held in self.held().values():
            found.update(
                next((name for name, net in places.items() if ip_address(text) in net), text)
                for text in held
            )
            found["without IPv6"] += not any(":" in text for text in held)
        return +found

    def settles(
        self, neighbour: Neighbour, condition: Callable[[], object], what: Callable[[], str]
    ) -> None:
        """Wait for a condition, and give the neighbour its turns meanwhile."""

        def looked() -> object:
            neighbour.turn()
            return condition()

        try:
            until(looked, "the condition", SECONDS)
        except AssertionError:
            raise AssertionError(what()) from None

    def settles_on(
        self,
        neighbour: Neighbour,
        expected: Mapping[str, int],
        *prefixes: Prefix,
        ipv4: str = "192.168.42.0/24",
    ) -> None:
        """Wait until as many Services as expected have an address in each place, as in `on`."""
        self.settles(
            neighbour,
            lambda: self.on(*prefixes, ipv4=ipv4) == expected,
            lambda: f"{expected}, not {self.on(*prefixes, ipv4=ipv4)}: {self.held()}",
        )

    def write_status(self, name: str, held: tuple[str, ...]) -> None:
        """Give a Service its addresses, as a load balancer does."""
        path = f"/api/v1/namespaces/{self.namespace}/services/{name}/status"
        ingress = [{"ip": text, "ipMode": "VIP"} for text in held]
        self.connection.request(
            "patch",
            path,
            body={"status": {"loadBalancer": {"ingress": ingress}}},
            content_type="application/merge-patch+json",
            field_manager="load-balancer",
        )

    @contextmanager
    def every_state(self) -> Iterator[list[tuple[str, tuple[str, ...]]]]:
        """Names and addresses of every state of every Service from now on; whole at the end."""
        seen: list[tuple[str, tuple[str, ...]]] = []
        row = r"jsonpath={.metadata.name} {.status.loadBalancer.ingress[*].ip}{'\n'}"
        path = self.cluster.directory / f"states-{next(_numbers)}"
        words = ("get", "services", "-n", self.namespace, "--watch", "-o", row)
        mark = f"mark-{next(_numbers)}"
        with path.open("w") as out, start_here(*self.cluster.command(*words), stdout=out):
            yield seen
            port = {"ports": [{"port": 80}]}
            made = {"name": mark, "namespace": self.namespace}
            self.cluster.apply(
                {"apiVersion": "v1", "kind": "Service", "metadata": made, "spec": port}
            )
            until(lambda: mark in path.read_text(), "the last state", SECONDS)
            self.cluster.kubectl("delete", "service", mark, "-n", self.namespace)
        rows = (line.split() for line in path.read_text().splitlines())
        seen.extend((name, tuple(held)) for name, *held in rows if name != mark)


def addresses(service: Mapping) -> tuple[str, ...]:
    """What a load balancer gave a Service."""
    ingress = service["status"].get("loadBalancer", {}).get("ingress", ())
    return tuple(entry["ip"] for entry in ingress)


def service(namespace: str, name: str, annotations: Mapping[str, str] = {}, **spec: object) -> dict:
    """A Service of type LoadBalancer."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": dict(annotations)},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], **spec},
    }


FOLLOWS = """\
apiVersion: v1
kind: Service
metadata:
  name: NAME
  namespace: NAMESPACE
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/service-address-range: lb
    OTHERS
spec:
  type: LoadBalancer
  FAMILIES
  ports: [{port: PORT}]
"""
ALONE = "ipFamilies: [IPv6]"
"""Of a Service without IPv4."""


def following(
    namespace: str,
    name: str,
    *annotations: str,
    families: str = "ipFamilyPolicy: PreferDualStack",
    port: int = 80,
) -> str:
    """The manifest of a Service that follows `home`; each annotation is a line of YAML."""
    words = {
        "NAMESPACE": namespace,
        "NAME": name,
        "OTHERS": "\n    ".join(annotations),
        "FAMILIES": families,
        "PORT": str(port),
    }
    return re.sub("|".join(words), lambda found: words[found[0]], FOLLOWS)


def of_one_key(namespace: str, key: str) -> dict[str, str]:
    """Three Services of one sharing key; two of them have a port in common."""
    ports = {"s00": 80, "s01": 443, "s02": 443}
    return {
        f"{name}.yaml": following(namespace, name, key, families=ALONE, port=port)
        for name, port in ports.items()
    }


def share_one_address(
    place: Place, neighbour: Neighbour, prefix: Prefix, *standing: Prefix
) -> None:
    """After a change of the prefix two of `of_one_key` have one address, and the third another."""
    place.renumber(prefix)
    place.apply("pool.yaml")
    neighbour.turn()
    place.apply("s00.yaml", "s01.yaml", "s02.yaml")
    place.settles_on(neighbour, {str(each): 3 for each in standing}, *standing)
    held = place.held()
    assert set(held["s00"]) == set(held["s01"])
    assert set(held["s00"]).isdisjoint(held["s02"])


def never_without(
    states: Iterable[tuple[str, tuple[str, ...]]], has: Callable[[tuple[str, ...]], object] = bool
) -> bool:
    """Whether each Service that once had addresses has some in every later state."""
    had: set[str] = set()
    for name, held in states:
        if has(held):
            had.add(name)
        elif name in had:
            return False
    return True
