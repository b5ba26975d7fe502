"""An API server with the true definitions of all neighbours that were built."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apiserver import ApiServer, api_server, install
from tests.custom_resources import names
from tests.neighbours.load_balancers import METALLB, METALLB_POD
from tests.netns import until
from tests.parts import require

_POOLS = "ciliumloadbalancerippools.cilium.io"


@pytest.fixture(scope="session")
def neighbourhood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One a session."""
    require("cluster")
    with api_server(tmp_path_factory.mktemp("neighbourhood") / "server") as server:
        install(server)
        true = sorted((Path(os.environ.get("NEIGHBOURS", "/nowhere")) / "crds").glob("*.yaml"))
        if true:
            words = [word for path in true for word in ("-f", str(path))]
            server.kubectl("apply", "--server-side", "--force-conflicts", *words)
            # One that was made this moment has no conditions yet, which is an error to kubectl.
            wait = ("wait", "--for=condition=Established", "crd", "--all")
            until(lambda: server.ask(*wait).returncode == 0, "the definitions", 60.0)
        # LB-IPAM writes its counts into the status of a pool, and stops where it cannot.
        versions = server.get("crd", _POOLS)["spec"]["versions"]
        patch = [
            {"op": "add", "path": f"/spec/versions/{number}/subresources", "value": {"status": {}}}
            for number, _ in enumerate(versions)
        ]
        server.kubectl("patch", "crd", _POOLS, "--type=json", "-p", json.dumps(patch))
        server.kubectl("create", "namespace", METALLB)
        # MetalLB's controller asks for its own pod, as the owner of what it makes.
        container = {"name": "controller", "image": "none.example/controller"}
        made = {"name": METALLB_POD, "namespace": METALLB}
        server.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": made,
                "spec": {"containers": [container]},
            }
        )
        yield server


_numbers = iter(range(1, 1000))


@pytest.fixture
def space(neighbourhood: ApiServer) -> Iterator[str]:
    """A fresh namespace; Services, and what is cluster-wide, are deleted after the test."""
    name = f"space-{next(_numbers)}"
    neighbourhood.kubectl("create", "namespace", name)
    yield name
    neighbourhood.kubectl("delete", "services", "--all", "-n", name)
    neighbourhood.kubectl("delete", "ipaddresspools", "--all", "-n", METALLB)
    neighbourhood.kubectl("delete", "--all", "--wait=false", ",".join(names(scope="Cluster")))

    def gone() -> bool:
        return not neighbourhood.kubectl("get", _POOLS, "-o", "name")

    until(gone, "pools that are gone", 60.0)
