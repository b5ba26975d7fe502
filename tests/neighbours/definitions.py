"""The definitions of all neighbours: the true ones of those that were built, else small ones."""

import json
import os
from pathlib import Path

from tests.apiserver import ApiServer, install
from tests.neighbours.load_balancers import METALLB, METALLB_POD
from tests.netns import until

POOLS = "ciliumloadbalancerippools.cilium.io"


def prepare(server: ApiServer) -> None:
    """Install them, and what MetalLB's controller looks for."""
    install(server)
    true = sorted((Path(os.environ.get("NEIGHBOURS", "/nowhere")) / "crds").glob("*.yaml"))
    if true:
        words = [word for path in true for word in ("-f", str(path))]
        server.kubectl("apply", "--server-side", "--force-conflicts", *words)
        # One that was made this moment has no conditions yet, which is an error to kubectl.
        wait = ("wait", "--for=condition=Established", "crd", "--all")
        until(lambda: server.ask(*wait).returncode == 0, "the definitions")
    # LB-IPAM writes its counts into the status of a pool, and stops where it cannot.
    versions = server.get("crd", POOLS)["spec"]["versions"]
    patch = [
        {"op": "add", "path": f"/spec/versions/{number}/subresources", "value": {"status": {}}}
        for number, _ in enumerate(versions)
    ]
    server.kubectl("patch", "crd", POOLS, "--type=json", "-p", json.dumps(patch))
    server.kubectl("create", "namespace", METALLB)
    # MetalLB's controller asks for its own pod, as the owner of what it makes.
    containers = [{"name": "controller", "image": "none.example/controller"}]
    made = {"name": METALLB_POD, "namespace": METALLB}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": {"containers": containers}}
    server.apply(pod)
