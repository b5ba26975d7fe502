"""How a managed field is named to people."""

from dataclasses import dataclass

import pytest

from gitops_prefix.render.binding import field_name


@dataclass(frozen=True)
class Named:
    kind: str = ""
    namespace: str = ""
    name: str = ""
    field: str = "spec.x"


CASES = {
    "in a namespace": (Named("Service", "media", "plex"), "Service media/plex: spec.x"),
    "of the cluster": (Named("IPPool", "", "pods"), "IPPool pods: spec.x"),
    "without a name": (Named("HelmRelease"), "HelmRelease: spec.x"),
    "of no object, as in Helm values": (Named(), "spec.x"),
}


@pytest.mark.parametrize(("one", "said"), CASES.values(), ids=CASES)
def test_as_much_as_there_is(one: Named, said: str):
    assert field_name(one) == said
