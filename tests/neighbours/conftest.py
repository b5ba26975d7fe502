"""An API server with the true definitions of all neighbours that were built."""

import itertools
from collections.abc import Iterator

import pytest

from tests.apiserver import ApiServer, api_server
from tests.custom_resources import names
from tests.neighbours.definitions import POOLS, prepare
from tests.neighbours.load_balancers import METALLB
from tests.netns import until
from tests.parts import require

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def neighbourhood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One a session."""
    require("cluster")
    with api_server(tmp_path_factory.mktemp("neighbourhood") / "server") as server:
        prepare(server)
        yield server


@pytest.fixture
def space(neighbourhood: ApiServer) -> Iterator[str]:
    """A fresh namespace; what is in it, and what is cluster-wide, is deleted after the test.

    Argo CD takes an object for its Application's by the name of the Application alone, so what
    one test leaves would be out of sync in the next.
    """
    name = f"space-{next(_numbers)}"
    neighbourhood.kubectl("create", "namespace", name)
    yield name
    neighbourhood.kubectl("delete", "services,configmaps", "--all", "-n", name)
    neighbourhood.kubectl("delete", "ipaddresspools", "--all", "-n", METALLB)
    neighbourhood.kubectl("delete", "--all", "--wait=false", ",".join(names(scope="Cluster")))

    def gone() -> bool:
        return not neighbourhood.kubectl("get", POOLS, "-o", "name")

    until(gone, "pools that are gone")
