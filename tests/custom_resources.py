"""The custom resources that tests install: the true ones beside the checkout, else small ones.

A small one takes any spec. Its lists are then atomic, as the true ones' are: a list
without `x-kubernetes-list-type` is.
"""

import json
import re
from typing import NamedTuple

from tests.gitrepo import ROOT

_SHARED = ROOT.parent / "shared" / "crds" / "crd"


class _Kind(NamedTuple):
    group: str
    kind: str
    plural: str
    versions: tuple[str, ...]
    """The last is stored."""
    scope: str = "Namespaced"

    @property
    def name(self) -> str:
        return f"{self.plural}.{self.group}"


_KINDS = (
    _Kind("cilium.io", "CiliumLoadBalancerIPPool", "ciliumloadbalancerippools", ("v2alpha1", "v2"), "Cluster"),
    _Kind("cilium.io", "CiliumCIDRGroup", "ciliumcidrgroups", ("v2alpha1", "v2"), "Cluster"),
    _Kind("cilium.io", "CiliumBGPAdvertisement", "ciliumbgpadvertisements", ("v2alpha1", "v2"), "Cluster"),
    _Kind("metallb.io", "IPAddressPool", "ipaddresspools", ("v1beta1",)),
    _Kind("projectcalico.org", "IPPool", "ippools", ("v3",), "Cluster"),
    _Kind("dynamic-prefix.io", "DynamicPrefix", "dynamicprefixes", ("v1alpha1",), "Cluster"),
    _Kind("source.toolkit.fluxcd.io", "GitRepository", "gitrepositories", ("v1",)),
    _Kind("kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations", ("v1",)),
    _Kind("helm.toolkit.fluxcd.io", "HelmRelease", "helmreleases", ("v2",)),
    _Kind("argoproj.io", "Application", "applications", ("v1alpha1",)),
    _Kind("argoproj.io", "AppProject", "appprojects", ("v1alpha1",)),
    _Kind("monitoring.coreos.com", "PodMonitor", "podmonitors", ("v1",)),
    _Kind("monitoring.coreos.com", "ServiceMonitor", "servicemonitors", ("v1",)),
    _Kind("monitoring.coreos.com", "PrometheusRule", "prometheusrules", ("v1",)),
)  # fmt: skip


def names(scope: str = "") -> list[str]:
    """Of the definitions; with a scope, those of it alone."""
    return [one.name for one in _KINDS if scope in {"", one.scope}]


def collections(scope: str) -> list[str]:
    """Where the API server has all objects of a kind, for each kind of a scope."""
    return [
        f"/apis/{kind.group}/{kind.versions[-1]}/{kind.plural}"
        for kind in _KINDS
        if kind.scope == scope
    ]


def definitions() -> list[str]:
    """Each definition's text, once."""
    true = _true_ones()
    return [true.get(one.name) or json.dumps(_small(one)) for one in _KINDS]


def _true_ones() -> dict[str, str]:
    """By name; of two with one name the first counts."""
    texts = [path.read_text() for path in sorted(_SHARED.glob("*.yaml"), reverse=True)]
    named = [(re.search(r"^  name: (\S+)$", text, re.MULTILINE), text) for text in texts]
    return {match[1]: text for match, text in named if match}


def _small(kind: _Kind) -> dict:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": anything, "status": anything}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.name},
        "spec": {
            "group": kind.group,
            "scope": kind.scope,
            "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == kind.versions[-1],
                    "schema": {"openAPIV3Schema": schema | _root(kind)},
                }
                for version in kind.versions
            ],
        },
    }


def _root(kind: _Kind) -> dict:
    # An Application's `operation` stands beside its spec.
    return {"x-kubernetes-preserve-unknown-fields": True} if kind.kind == "Application" else {}
